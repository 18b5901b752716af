//! Network namespaces, traffic and the kernel as oracle.
