def cases(bench): return ()
