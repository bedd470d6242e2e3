//! What a tick is, and which schedules can stand beside each other.
