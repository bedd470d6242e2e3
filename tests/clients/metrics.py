"""Reads a metrics page from standard input with Prometheus' own parser. Prints [[name, labels, value, type], ...] as JSON."""

import json
import sys

from prometheus_client.parser import text_string_to_metric_families

families = list(text_string_to_metric_families(sys.stdin.read()))
print(json.dumps([[s.name, s.labels, s.value, family.type] for family in families for s in family.samples]))
