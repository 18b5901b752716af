:OUTPUT
*mangle
-m cgroup;;FAIL
-m cgroup --cgroup 1;=;OK
-m cgroup ! --cgroup 0x10;-m cgroup ! --cgroup 16;OK
-m cgroup --cgroup 4294967295;=;OK
-m cgroup --cgroup 4294967296;;FAIL
-m cgroup --cgroup x;;FAIL
-m cgroup --path /;-m cgroup --path "/";OK
-m cgroup ! --path /;-m cgroup ! --path "/";OK
-m cgroup --path "";=;OK
-m cgroup --path /nosuch;;FAIL
-m cgroup --path "/a b";;FAIL
-m cgroup --cgroup 1 --path /;;FAIL
-m cgroup --cgroup 1 --cgroup 2;;FAIL
-m cgroup --path / --path /;;FAIL
-m cgroup --path /x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x;;FAIL
