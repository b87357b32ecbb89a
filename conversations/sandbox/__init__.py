"""The sandbox: a local WhatsApp Cloud API with people in it, as one process on this machine.

    server.py    the process: HTTP on the loopback, and everything below wired together
    api.py       the Graph endpoints: messages, templates, numbers; judges.py says what a post is worth
    webhooks.py  what it tells us: events, batched, signed, delivered, retried
    personas.py  how each person behaves; shapes.py, the JSON of the events
    control.py   the switches, by HTTP under /sandbox/; faults.py, what they switch
    store.py     its state, in a small SQLite file of its own; seed.py, what it starts with

Nothing of Parley imports it but its command and its tests.
"""
