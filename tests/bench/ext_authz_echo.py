"""A bare ext_authz server that lets everything through: the floor to compare with.

    python -m tests.bench.ext_authz_echo

Same server library, same number of threads, raw bytes in and out; prints its port.
"""

from __future__ import annotations

from concurrent import futures

import grpc

from consentry.envoy.v3 import external_auth_pb2 as wire

SERVICE = "envoy.service.auth.v3.Authorization"


def main() -> None:
    answer = wire.CheckResponse(ok_response=wire.OkHttpResponse())
    answer.status.code = 0
    raw = answer.SerializeToString()
    server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
    handler = grpc.unary_unary_rpc_method_handler(lambda _request, _context: raw)
    methods = grpc.method_handlers_generic_handler(SERVICE, {"Check": handler})
    server.add_generic_rpc_handlers((methods,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
