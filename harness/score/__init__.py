"""Was it right? Text in, grade out. Pure: no socket, no clock, and an answer that cannot be read is a miss, never a guess."""
