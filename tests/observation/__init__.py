"""What is seen of the product by a real Prometheus: metrics, rules, dashboards and their pictures."""
