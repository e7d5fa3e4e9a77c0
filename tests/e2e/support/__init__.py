"""What the end-to-end tests stand on: the real binary, origins, certificates, raw sockets."""
