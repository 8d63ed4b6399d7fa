"""What can go wrong with the knowledge base: one class a cause, each with a stable code."""

from __future__ import annotations

from typing import ClassVar


class KnowledgeError(Exception):
    """Base; the message says what happened and what the reader can do."""

    code: ClassVar[str] = "knowledge_error"


class IndexBroken(KnowledgeError):
    """The index file is no database of ours."""

    code = "knowledge_index_broken"


class IndexNewer(KnowledgeError):
    """A newer program wrote the index file."""

    code = "knowledge_index_newer"


class IndexUnwritable(KnowledgeError):
    """The index cannot be written: no space, no right, or another process holds it too long."""

    code = "knowledge_index_unwritable"


class DocumentUnknown(KnowledgeError):
    """No such imported document."""

    code = "knowledge_document_unknown"


class ImportRefused(KnowledgeError):
    """A file that cannot be imported; nothing of it is."""

    code = "knowledge_import_refused"


class ReaderMissing(KnowledgeError):
    """A library of an extra is not installed."""

    code = "knowledge_reader_missing"
