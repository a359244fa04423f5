"""Prometheus: counters, histograms and gauges, with labels of bounded cardinality."""
