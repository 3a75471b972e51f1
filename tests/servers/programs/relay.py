"""relay.py PORT COUNT: a DNS server that asks another one, once COUNT questions have come."""

import socket
import sys

port, count = int(sys.argv[1]), int(sys.argv[2])

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as front:
    front.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    front.bind(("127.0.0.1", 0))
    print(front.getsockname()[1], flush=True)
    while True:
        questions = [front.recvfrom(4096) for _ in range(count)]
        for question, who in questions:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as back:
                back.settimeout(60)
                back.sendto(question, ("127.0.0.1", port))
                front.sendto(back.recv(4096), who)
