"""The diary, the settings that follow the user from phone to phone, and the footprints."""
