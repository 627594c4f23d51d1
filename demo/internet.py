# SPDX-License-Identifier: GPL-2.0-or-later
"""The demo's internet: a page to fetch, and an attacker who writes down whatever arrives.

    internet.py FILE     every byte that the attacker gets goes to FILE"""
import http.server
import socket
import sys
import threading


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"hello from docs.example\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def attacker_tcp(loot):
    with socket.create_server(("203.0.113.66", 8080)) as server:
        while True:
            connection, _ = server.accept()
            with connection:
                loot(connection.recv(65536))


def attacker_udp(loot):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("203.0.113.66", 9999))
        while True:
            loot(s.recv(65536))


def main():
    with open(sys.argv[1], "ab", buffering=0) as out:
        for attacker in (attacker_tcp, attacker_udp):
            threading.Thread(target=attacker, args=(out.write,), daemon=True).start()
        server = http.server.ThreadingHTTPServer(("203.0.113.10", 8080), Page)
        print("ready", flush=True)
        server.serve_forever()


main()
