:INPUT
@family 4
@setup ipset create foo hash:ip
@setup ipset create bar hash:ip,port,ip
@setup ipset create six hash:ip family inet6
@setup ipset create list list:set
@setup ipset create thirtyonecharacternameofaset123 hash:ip
-m set --match-set foo src;=;OK
-m set ! --match-set foo src;=;OK
-m set --match-set foo src,dst;=;OK
-m set --match-set foo src,dst,src,dst,src,dst;=;OK
-m set --match-set foo srcx;-m set --match-set foo src;OK
-m set --match-set bar src,dst,src;=;OK
-m set --match-set list dst;=;OK
-m set --match-set six src;;FAIL
-m set --match-set thirtyonecharacternameofaset123 src;=;OK
-m set --match-set foo src --match-set bar src;;FAIL
-m set --match-set foo src -m set ! --match-set bar src,src,dst;=;OK
-m set --match-set foo src --return-nomatch;=;OK
-m set ! --match-set foo src --return-nomatch --return-nomatch;-m set ! --match-set foo src --return-nomatch;OK
-m set ! --match-set foo src ! --return-nomatch;;FAIL
-m set --match-set foo src --update-counters;-m set --match-set foo src;OK
-m set --match-set foo src ! --update-counters;=;OK
-m set --match-set foo src --update-subcounters;-m set --match-set foo src;OK
-m set --match-set foo src ! --update-subcounters;=;OK
-m set --match-set foo src ! --update-subcounters ! --update-counters --return-nomatch;-m set --match-set foo src --return-nomatch ! --update-counters ! --update-subcounters;OK
-m set --match-set foo src --packets-eq 5;=;OK
-m set --match-set foo src ! --packets-eq 5;=;OK
-m set --match-set foo src --packets-lt 5;=;OK
-m set --match-set foo src ! --packets-lt 5;;FAIL
-m set --match-set foo src --packets-gt 5;=;OK
-m set --match-set foo src ! --packets-gt 5;;FAIL
-m set --match-set foo src --packets-gt 5 --packets-lt 6;;FAIL
-m set --match-set foo src --packets-eq 0 --packets-eq 5;;FAIL
-m set --match-set foo src --packets-eq 0x10 --bytes-lt 18446744073709551615;-m set --match-set foo src --packets-eq 16 --bytes-lt 18446744073709551615;OK
-m set --match-set foo src --bytes-gt 1 --packets-lt 9;-m set --match-set foo src --packets-lt 9 --bytes-gt 1;OK
-m set --match-set foo src ! --bytes-eq 0;=;OK
-m set --match-set foo src ! --bytes-gt 1;;FAIL
-m set --match-set foo src ! --bytes-lt 1;;FAIL
-m set --packets-eq 1 --match-set foo src;-m set --match-set foo src --packets-eq 1;OK
-m set ! --update-counters --match-set foo src;-m set --match-set foo src ! --update-counters;OK
-m set --match-set foo src,dst,src,dst,src,dst,src;;FAIL
-m set --match-set foo ,src;;FAIL
-m set --match-set foo src,;;FAIL
-m set --match-set foo xxx;;FAIL
-m set --match-set foo "";;FAIL
-m set --match-set foo src --packets-eq 18446744073709551616;;FAIL
-m set --match-set foo src --bytes-gt x;;FAIL
-m set;;FAIL
-m set --match-set foo;;FAIL
-m set --match-set foo ! src;;FAIL
-m set --match-set none src;;FAIL
-m set --match-set none xxx;;FAIL
-m set --match-set "" src;;FAIL
-m set --match-set thirtyonecharacternameofaset1234 src;;FAIL
-m set --packets-eq x;;FAIL
-m set --packets-eq 1;;FAIL
-m set --bytes-eq 1 --bytes-lt 2;;FAIL
-m set ! --bytes-lt 2;;FAIL
-m set --return-nomatch;;FAIL
-m set ! --return-nomatch;;FAIL
-m set --update-counters;;FAIL
@family 6
@setup ipset create foo hash:ip
@setup ipset create six hash:ip family inet6
@setup ipset create list list:set
-m set --match-set six src;=;OK
-m set ! --match-set six src,dst --return-nomatch;=;OK
-m set --match-set list src;=;OK
-m set --match-set foo src;;FAIL
-m set --match-set six src --packets-lt 7 ! --bytes-eq 4096;=;OK
