:OUTPUT
@family 4
@setup ipset create foo hash:ip timeout 10
@setup ipset create bar hash:ip,port,ip
@setup ipset create sk hash:ip skbinfo
@setup ipset create six hash:ip family inet6
*mangle
-j SET --add-set foo src;=;OK
-j SET --add-set foo src,dst;=;OK
-j SET --add-set foo src --add-set foo dst;;FAIL
-j SET --add-set foo src --del-set bar src,dst;=;OK
-j SET --add-set foo src --del-set bar src,dst,src;=;OK
-j SET --del-set foo src;=;OK
-j SET --del-set foo src --del-set foo dst;;FAIL
-j SET --del-set foo src --exist;;FAIL
-j SET --exist --add-set foo src;-j SET --add-set foo src --exist;OK
-j SET --add-set foo src --exist;=;OK
-j SET --add-set foo src --exist --exist;-j SET --add-set foo src --exist;OK
-j SET --add-set foo src --timeout 5;=;OK
-j SET --add-set foo src --timeout 0;=;OK
-j SET --add-set foo src --timeout 0x10;-j SET --add-set foo src --timeout 16;OK
-j SET --add-set foo src --timeout 4294967294;=;OK
-j SET --add-set foo src --timeout 5 --timeout 6;-j SET --add-set foo src --timeout 6;OK
-j SET --timeout 5 --add-set foo src;-j SET --add-set foo src --timeout 5;OK
-j SET --del-set foo src --timeout 5;;FAIL
-j SET --map-set sk src;;FAIL
-j SET --map-set sk src --map-mark;=;OK
-j SET --map-set sk src --map-mark --map-prio --map-queue;=;OK
-j SET --map-set sk src --map-mark --map-mark;-j SET --map-set sk src --map-mark;OK
-j SET --map-prio --map-set sk src;-j SET --map-set sk src --map-prio;OK
-j SET --map-set foo src --map-mark;=;OK
-j SET --map-set sk src --map-set sk src;;FAIL
-j SET --map-set sk src --exist;;FAIL
-j SET --map-set sk src --timeout 3;;FAIL
-j SET --add-set foo src --map-mark;;FAIL
-j SET --add-set foo src --map-queue --map-prio;;FAIL
-j SET ! --add-set foo src;-j SET --add-set foo src;OK
-j SET --add-set foo src ! --exist;-j SET --add-set foo src --exist;OK
-j SET --add-set foo src --del-set foo dst --map-set sk dst --map-prio --exist --timeout 7;-j SET --add-set foo src --exist --timeout 7 --del-set foo dst --map-set sk dst --map-prio;OK
-j SET ! --map-set sk src --map-queue;-j SET --map-set sk src --map-queue;OK
-j SET ! --del-set foo src;-j SET --del-set foo src;OK
-j SET --add-set foo src,src,src,src,src,src,src;;FAIL
-j SET --add-set foo src,dst,src,dst,src,dst;=;OK
-j SET --add-set foo blub;;FAIL
-j SET --add-set six src;;FAIL
*filter
-j SET --add-set foo src;=;OK
-j SET --map-set sk src --map-mark;;FAIL
-j SET;;FAIL
-j SET --add-set foo;;FAIL
-j SET --add-set nope src;;FAIL
-j SET --del-set nope src;;FAIL
-j SET --map-set nope src;;FAIL
-j SET --exist;;FAIL
-j SET ! --exist;;FAIL
-j SET --timeout 5;;FAIL
-j SET --timeout 4294967295;;FAIL
-j SET --timeout x;;FAIL
-j SET --map-mark;;FAIL
@family 6
@setup ipset create foo hash:ip timeout 10
@setup ipset create six hash:ip family inet6
*mangle
-j SET --add-set six src --exist;=;OK
-j SET --del-set six dst;=;OK
-j SET --add-set foo src;;FAIL
