"""The speech models' servers, one package each, well and badly, as they are told."""
