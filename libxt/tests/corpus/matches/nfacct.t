:INPUT
-m nfacct;;FAIL
-m nfacct --nfacct-name web;;FAIL
-m nfacct --nfacct-name "a b";;FAIL
-m nfacct --nfacct-name "";;FAIL
-m nfacct --nfacct-name abcdefghijklmnopqrstuvwxyzabcdef;;FAIL
-m nfacct ! --nfacct-name web;;FAIL
-m nfacct --nfacct-name a --nfacct-name b;;FAIL
