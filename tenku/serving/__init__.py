"""The HTTP server: Sora's videos API and a studio, over a durable queue that worker processes lease jobs
from.

`app.py` puts the web side together, `worker.py` is the other side; between them stand only the database and
the storage.
"""
