:OUTPUT,POSTROUTING
*mangle
-m owner;;FAIL
-m owner --uid-owner root;-m owner --uid-owner 0;OK
-m owner --uid-owner 0-10;=;OK
-m owner ! --uid-owner root;-m owner ! --uid-owner 0;OK
-m owner --uid-owner 10-1;;FAIL
-m owner --uid-owner 4294967295;;FAIL
-m owner --uid-owner 4294967294;=;OK
-m owner --uid-owner 4294967296;;FAIL
-m owner --uid-owner nosuchuser;;FAIL
-m owner --uid-owner 5;=;OK
-m owner --uid-owner 5-;;FAIL
-m owner --uid-owner 5-x;;FAIL
-m owner --uid-owner "";;FAIL
-m owner --uid-owner 0x10;-m owner --uid-owner 16;OK
-m owner --gid-owner root;-m owner --gid-owner 0;OK
-m owner ! --gid-owner root;-m owner ! --gid-owner 0;OK
-m owner --gid-owner 0-10;=;OK
-m owner --gid-owner nosuchgroup;;FAIL
-m owner --gid-owner 4294967295;;FAIL
-m owner --gid-owner daemon;-m owner --gid-owner 1;OK
-m owner --socket-exists;=;OK
-m owner ! --socket-exists;=;OK
-m owner --suppl-groups;;FAIL
-m owner --gid-owner root --suppl-groups;-m owner --gid-owner 0 --suppl-groups;OK
-m owner --uid-owner root --gid-owner 5-6 --socket-exists;-m owner --socket-exists --uid-owner 0 --gid-owner 5-6;OK
-m owner --uid-owner root --uid-owner root;;FAIL
-m owner ! --uid-owner 1-2 ! --gid-owner 3 ! --socket-exists;-m owner ! --socket-exists ! --uid-owner 1-2 ! --gid-owner 3;OK
*filter
:INPUT
-m owner --uid-owner root;;FAIL
