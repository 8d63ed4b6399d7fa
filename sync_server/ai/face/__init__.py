"""Reading a dog's face: detection, emotion, narration."""
