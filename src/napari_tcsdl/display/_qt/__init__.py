"""The only folder that imports Qt: workers and docks that only wire."""
