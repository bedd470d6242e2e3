;; Takes all the memory that it can get, and gives up when there is no more.
(module
    (memory 1)
    (func (export "run")
        (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
        unreachable))
