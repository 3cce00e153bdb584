"""Where the time goes. Nothing here is a test: times are printed, never asserted."""
