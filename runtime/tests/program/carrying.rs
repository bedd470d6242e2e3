//! The spec suite and generated modules under both engines: the original under one, the transformed under the other,
//! suspended at every point and carried over to the other engine each time.
