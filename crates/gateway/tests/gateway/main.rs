//! The gateway between a client and a stand-in for an engine, both of which do exactly as they are told.

#[cfg(test)]
mod access;
#[cfg(test)]
mod client;
#[cfg(test)]
mod input;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod passing;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod routing;
#[cfg(test)]
mod streams;
