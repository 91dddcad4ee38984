"""What libraries would read from disk at their first use, used once while files can still be read.

A locked kep worker opens nothing: an import or a provider that comes later would fail in a call.
"""

from __future__ import annotations

import asyncio
import importlib
import traceback

from sfu.dtls import DtlsCertificate, DtlsTransport, HandshakeFailure, SrtpKeys
from sfu.engine import load_native_engine
from sfu.media import DtlsRole

LAZY_MODULES = (
    # Codecs of names, addresses and text; what `open`, `getaddrinfo` and str methods import.
    *("encodings.idna", "encodings.latin_1", "encodings.ascii", "encodings.utf_8_sig"),
    *("stringprep", "unicodedata", "locale"),
    # What tracebacks and reports of tasks import.
    *("linecache", "tokenize", "textwrap", "dis", "pdb", "asyncio.base_tasks", "pprint"),
    *("importlib.metadata", "zoneinfo", "statistics", "fractions", "decimal"),
)
"""Standard modules that others import inside functions."""


async def preload(certificate: DtlsCertificate) -> None:
    """Import what is imported late, and do one DTLS handshake with ourselves.

    Raises:
        ImportError: the native engine is not built.
        RuntimeError: the handshake failed: none with a client would succeed.
    """
    load_native_engine()
    for name in LAZY_MODULES:
        importlib.import_module(name)
    try:
        raise RuntimeError("so that a traceback has been formatted")
    except RuntimeError:
        traceback.format_exc()
    failures = await _shake_hands_with_ourselves(certificate)
    if any(failure is not None for failure in failures):
        raise RuntimeError(f"DTLS does not work here: {failures}")


async def _shake_hands_with_ourselves(
    certificate: DtlsCertificate,
) -> list[HandshakeFailure | None]:
    ends: list[DtlsTransport] = []
    server = DtlsTransport(certificate, DtlsRole.SERVER, lambda datagram: ends[1].feed(datagram))
    client = DtlsTransport(certificate, DtlsRole.CLIENT, lambda datagram: ends[0].feed(datagram))
    ends += [server, client]
    turns = asyncio.Semaphore(2)
    keys: list[SrtpKeys] = []

    def say_goodbye(found: SrtpKeys) -> None:
        keys.append(found)
        if len(keys) == 2:
            server.close()
            client.close()

    return list(
        await asyncio.gather(
            *(end.run([certificate.fingerprint], turns, say_goodbye) for end in ends)
        )
    )
