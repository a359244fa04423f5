"""Words between text and speech: phrases by language, words that only agree, text made fit to be spoken."""
