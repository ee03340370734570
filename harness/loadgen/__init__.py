"""Making load: the only package that knows Locust, gevent, httpx and prometheus_client."""
