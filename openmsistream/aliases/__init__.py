"""The names under which programs written for OpenMSIStream import things: one table, and the finder that serves it."""
