"""Sources of the Grafana dashboards in `charts/switchhook/dashboards`; `make dashboards` writes them."""
