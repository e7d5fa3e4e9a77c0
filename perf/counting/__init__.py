"""What perf/counts.py is made of: an origin, the traffic of each scenario, the tools that count."""
