//! Tests of identity as a whole.
