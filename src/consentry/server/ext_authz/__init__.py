"""Questions that a proxy asks for the requests it carries: Envoy's external authorization."""
