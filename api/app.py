"""The HTTP side of a node."""

from __future__ import annotations

from fastapi import FastAPI

from engine.engine import Engine


def create_app(engine: Engine) -> FastAPI:
    app = FastAPI(title="Offhook", version=engine.version)

    @app.get("/health/ready")
    async def ready() -> dict[str, str]:
        return {"status": "ready"}

    return app
