"""Who is there: guest and Kakao sign-in, devices, tokens."""
