"""Where somebody's code runs: in the thread that asks for it, or in a process of its own that may crash or hang."""
