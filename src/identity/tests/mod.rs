//! Identity as a whole: captured trees of the machines that customers have, each row of the documents' table, and
//! properties of the vote.

mod captured;
mod forms;
mod kinds;
mod live;
mod mints;
mod parts;
mod population;
mod properties;
mod reports;
mod rows;
