//! Portals as they are met in the field.

mod http;
mod settings;
