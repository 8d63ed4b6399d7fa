"""Reads the text of one PDF in a process of its own, limited in time and memory.

`python -m sync_server.ai.vet.knowledge.pdf_child FILE PAGES CHARS` prints one JSON object:
{"title", "pages": [...]} or {"refused": why}.
"""

from __future__ import annotations

import json
import logging
import resource
import sys
from typing import Any, Final

CPU_S: Final = 45
MEMORY_BYTES: Final = 1_500_000_000


def told(path: str, most_pages: int, most_chars: int) -> dict[str, Any]:
    """What the PDF says, or why it is refused; any exception of pypdf is a broken file."""
    import pypdf

    try:
        reader = pypdf.PdfReader(path)
        if reader.is_encrypted:
            return {"refused": "is encrypted"}
        if len(reader.pages) > most_pages:
            return {"refused": f"has {len(reader.pages)} pages, at most {most_pages} are read"}
        pages, chars = [], 0
        for page in reader.pages:
            text = page.extract_text()
            chars += len(text)
            if chars > most_chars:
                return {"refused": f"has more than {most_chars} characters"}
            pages.append(text)
        title = reader.metadata.title if reader.metadata else None
    except MemoryError:
        return {"refused": "needs too much memory"}
    except Exception as error:
        return {"refused": f"is no PDF that can be read ({type(error).__name__})"}
    return {"title": str(title or ""), "pages": pages}


def main() -> None:
    """Limit this process, read, print."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    logging.disable(logging.CRITICAL)
    path, pages, chars = sys.argv[1:4]
    # ASCII: lone surrogates of a broken font stay escapes.
    sys.stdout.write(json.dumps(told(path, int(pages), int(chars))))


if __name__ == "__main__":
    main()
