"""A bare grpcio server that answers every question with the same bytes: the floor to compare with.

    python -m tests.bench.echo_server ANSWER_FILE

Same method paths, same number of threads, raw bytes in and out; prints its port. A stream gives the
same bytes for each message.
"""

from __future__ import annotations

import sys
from concurrent import futures
from pathlib import Path

import grpc

SERVICE = "consentry.v1.AuthorizationService"


def main() -> None:
    answer = Path(sys.argv[1]).read_bytes()
    server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
    handler = grpc.unary_unary_rpc_method_handler(lambda _request, _context: answer)
    stream = grpc.stream_stream_rpc_method_handler(
        lambda requests, _context: (answer for _ in requests)
    )
    methods = {"Check": handler, "CheckBatch": handler, "CheckStream": stream}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
