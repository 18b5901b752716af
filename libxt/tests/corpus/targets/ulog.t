@family 4
:INPUT
-j ULOG;;FAIL
-j ULOG --ulog-nlgroup 1;;FAIL
-j ULOG --ulog-nlgroup 32;;FAIL
-j ULOG --ulog-nlgroup 33;;FAIL
-j ULOG --ulog-nlgroup 0;;FAIL
-j ULOG --ulog-prefix foo;;FAIL
-j ULOG --ulog-prefix "a b";;FAIL
-j ULOG --ulog-prefix "";;FAIL
-j ULOG --ulog-prefix abcdefghijklmnopqrstuvwxyzabcdefghijkl;;FAIL
-j ULOG --ulog-cprange 100;;FAIL
-j ULOG --ulog-cprange 0;;FAIL
-j ULOG --ulog-qthreshold 10;;FAIL
-j ULOG --ulog-qthreshold 50;;FAIL
-j ULOG --ulog-qthreshold 51;;FAIL
-j ULOG --ulog-qthreshold 0;;FAIL
-j ULOG --ulog-qthreshold 1;;FAIL
-j ULOG --ulog-nlgroup 5 --ulog-prefix p --ulog-cprange 9 --ulog-qthreshold 2;;FAIL
-j ULOG --ulog-nlgroup 5 --ulog-nlgroup 6;;FAIL
