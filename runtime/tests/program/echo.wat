(module
    (import "delay" "input_size" (func $size (result i32)))
    (import "delay" "input" (func $input (param i32 i32 i32) (result i32)))
    (import "delay" "output" (func $output (param i32 i32)))
    (memory (export "memory") 1)
    (func (export "run") (call $output (i32.const 0) (call $input (i32.const 0) (i32.const 0) (call $size)))))
