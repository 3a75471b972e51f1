"""Drop-in replacements of standard modules, made of tasklets; `stacklesslib.monkeypatch` puts them in place."""
