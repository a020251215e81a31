//! PostgreSQL: several portals on one database.
//!
//! Whoever writes holds one advisory lock for the length of its transaction, so that portals write one after the other as the connections
//! to an SQLite file do: no slot is given twice, and the audit is one chain. Readers hold nothing, and see one state (`REPEATABLE READ`).

use super::{
    Fault, StoreError,
    schema::STEPS,
    server::Server,
    session::{Columns, Database, Found, Row, Session, Value, damaged, integer, values},
    wire::{Wire, in_turn},
};
use crate::problem::causes;
use bytes::BytesMut;
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    error::Error,
};
use tokio_postgres::{
    Client, Statement,
    types::{FromSql, IsNull, ToSql, Type, to_sql_checked},
};

/// Who writes, and who changes the tables, holds this lock ("entitled").
const LOCK: i64 = i64::from_be_bytes(*b"entitled");
/// Statements that a connection keeps prepared.
const KEPT_STATEMENTS: usize = 128;
/// A portal that stands still amid a change gives way to the others; one that waits for longer than others may write says so.
const SETTINGS: &str = "SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '60s'; \
     SET client_min_messages = 'warning'; SET TimeZone = 'UTC'; \
     SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";
/// A statement that takes longer keeps a thread from all others. Not while tables are brought up to date.
const LONGEST_STATEMENT: &str = "SET statement_timeout = '60s'";

impl Database for Server {
    fn connect(&self) -> Result<Box<dyn Session>, StoreError> {
        let wire = Wire::connect(self).map_err(StoreError::during("connect"))?;
        let session = Connection {
            wire: RefCell::new(Some(wire)),
            statements: RefCell::default(),
            waiting: RefCell::default(),
            is_in_transaction: Cell::new(false),
            is_lost: Cell::new(false),
        };
        session.run(SETTINGS).map_err(StoreError::during("configure"))?;
        migrate(&session)?;
        session.run(LONGEST_STATEMENT).map_err(StoreError::during("configure"))?;
        Ok(Box::new(session))
    }
}

/// A connection. It is lost once the server, or the way to it, is.
struct Connection {
    wire: RefCell<Option<Wire>>,
    statements: RefCell<HashMap<String, Statement>>,
    /// What is told to the server together with the next call.
    waiting: RefCell<Vec<Waiting>>,
    is_in_transaction: Cell<bool>,
    is_lost: Cell<bool>,
}

/// A statement that waits to be told to the server.
struct Waiting {
    statement: Statement,
    values: Vec<Value<'static>>,
}

impl Connection {
    /// Asks the server, after what waits to be told to it, and notes whether the connection is lost by it.
    fn ask<T>(
        &self,
        ask: impl AsyncFnOnce(&Client) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, Fault> {
        let mut wire = self.wire.borrow_mut();
        let Wire { client, way } = wire.as_mut().ok_or_else(|| lost(&"it was closed"))?;
        let client = &*client;
        let waiting = self.waiting.take();
        let told = waiting
            .iter()
            .map(|Waiting { statement, values }| client.execute_raw(statement, values));
        way.wait(in_turn(told, ask(client))).map_err(|error| {
            let fault = fault(&error);
            if client.is_closed() || matches!(fault, Fault::Unreachable { .. }) {
                self.is_lost.set(true);
                return lost(&fault);
            }
            fault
        })
    }

    /// The statement, prepared once for each connection.
    fn prepared(&self, sql: &str, values: &[Value<'_>]) -> Result<Statement, Fault> {
        if let Some(statement) = self.statements.borrow().get(sql) {
            return Ok(statement.clone());
        }
        let types: Vec<Type> = values.iter().map(kind).collect();
        let numbered = numbered(sql);
        let statement = self.ask(async |client| client.prepare_typed(&numbered, &types).await)?;
        let mut statements = self.statements.borrow_mut();
        if statements.len() >= KEPT_STATEMENTS {
            statements.clear();
        }
        statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    fn begin(&self, statements: &str) -> Result<(), Fault> {
        let begun = self.ask(async |client| client.batch_execute(statements).await);
        // The transaction may have begun and the lock be another's.
        self.is_in_transaction.set(true);
        if begun.is_err() && !self.is_lost.get() {
            self.run("ROLLBACK")?;
        }
        begun
    }
}

impl Session for Connection {
    fn query(
        &self,
        sql: &str,
        values: &[Value<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Result<bool, Fault>,
    ) -> Result<(), Fault> {
        let statement = self.prepared(sql, values)?;
        let values = parameters(values);
        let rows = self.ask(async |client| client.query(&statement, &values).await)?;
        for row in &rows {
            if !each(&Row(row))? {
                break;
            }
        }
        Ok(())
    }

    fn stream(
        &self,
        sql: &str,
        each: &mut dyn FnMut(&Row<'_>) -> Result<bool, Fault>,
    ) -> Result<(), Fault> {
        self.run(&format!("DECLARE streamed NO SCROLL CURSOR FOR {sql}"))?;
        loop {
            let rows =
                self.ask(async |client| client.query("FETCH 256 FROM streamed", &[]).await)?;
            for row in &rows {
                if !each(&Row(row))? {
                    return self.run("CLOSE streamed");
                }
            }
            if rows.is_empty() {
                return self.run("CLOSE streamed");
            }
        }
    }

    fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<u64, Fault> {
        let statement = self.prepared(sql, values)?;
        let values = parameters(values);
        self.ask(async |client| client.execute(&statement, &values).await)
    }

    fn execute_later(&self, sql: &str, values: &[Value<'_>]) -> Result<(), Fault> {
        let statement = self.prepared(sql, values)?;
        let values = values.iter().map(Value::to_owned).collect();
        self.waiting.borrow_mut().push(Waiting { statement, values });
        Ok(())
    }

    fn run(&self, statements: &str) -> Result<(), Fault> {
        if statements == "ROLLBACK" {
            self.waiting.take();
        }
        self.ask(async |client| client.batch_execute(statements).await)?;
        if matches!(statements, "COMMIT" | "ROLLBACK") {
            self.is_in_transaction.set(false);
        }
        Ok(())
    }

    fn begin_reading(&self) -> Result<(), Fault> {
        self.begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    }

    fn begin_writing(&self) -> Result<(), Fault> {
        // Each statement after the lock sees what was committed before it was had.
        self.begin(&format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock({LOCK})"
        ))
    }

    fn keep_change(&self) -> Result<(), Fault> {
        self.run("RELEASE job; SAVEPOINT job")
    }

    fn undo_change(&self) -> Result<(), Fault> {
        // What the server does not know yet is undone by that.
        self.waiting.take();
        self.run("ROLLBACK TO job")
    }

    fn count_on(&self, table: &str) -> Result<(), Fault> {
        let counted = "SELECT column_name AS name FROM information_schema.columns \
                       WHERE table_schema = current_schema() AND table_name = ?1 AND is_identity = 'YES'";
        let mut columns = Vec::new();
        self.query(counted, values![table], &mut |row| {
            columns.push(row.string("name")?);
            Ok(true)
        })?;
        for column in columns {
            self.run(&format!(
                "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), max({column})) FROM {table} HAVING count(*) > 0"
            ))?;
        }
        Ok(())
    }

    fn is_in_transaction(&self) -> bool {
        self.is_in_transaction.get() && !self.is_lost.get()
    }

    fn is_lost(&self) -> bool {
        self.is_lost.get()
    }
}

impl Drop for Connection {
    /// It has a runtime of its own, which can't be ended on a thread that runs another's tasks.
    fn drop(&mut self) {
        let Some(wire) = self.wire.take() else { return };
        if tokio::runtime::Handle::try_current().is_ok() {
            drop(std::thread::Builder::new().spawn(move || wire.close()));
        } else {
            wire.close();
        }
    }
}

/// Brings the tables up to date, making them as needed.
fn migrate(session: &dyn Session) -> Result<(), StoreError> {
    let failed = StoreError::during::<Fault>;
    if version(session)? == STEPS.len() {
        return Ok(());
    }
    session.begin_writing().map_err(failed("begin to migrate"))?;
    // Again, under the lock: another process may have been faster.
    let found = version(session)?;
    let migrated = (|| {
        let missing = STEPS.get(found..).ok_or(StoreError::Newer { found, known: STEPS.len() })?;
        for step in missing {
            step.take_on_postgres(session)?;
        }
        let note = format!(
            "CREATE TABLE IF NOT EXISTS portal_version (version BIGINT NOT NULL); DELETE FROM portal_version; \
             INSERT INTO portal_version (version) VALUES ({})",
            integer(STEPS.len() as u64)
        );
        session.run(&note).map_err(failed("note the version"))
    })();
    let end = if migrated.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = session.run(end).map_err(failed("commit the migration"));
    migrated.and(ended)
}

/// The version of the tables; 0 where there are none.
fn version(session: &dyn Session) -> Result<usize, StoreError> {
    let doing = "read the version";
    let mut found = 0;
    let mut read = |sql: &str, column: &str| {
        session
            .query(sql, &[], &mut |row| {
                found = row.count(column)?;
                Ok(false)
            })
            .map(|()| found)
            .map_err(StoreError::during(doing))
    };
    let is_there =
        "SELECT count(*) AS there FROM pg_class WHERE oid = to_regclass('portal_version')";
    if read(is_there, "there")? == 0 {
        return Ok(0);
    }
    read("SELECT version FROM portal_version", "version")
}

impl Columns for tokio_postgres::Row {
    fn column(&self, name: &str) -> Result<Found<'_>, Fault> {
        fn get<'r, T: FromSql<'r>>(
            row: &'r tokio_postgres::Row,
            at: usize,
        ) -> Result<Option<T>, Fault> {
            row.try_get(at).map_err(|error| damaged(row.columns()[at].name(), error))
        }
        let columns = self.columns();
        let at = columns.iter().position(|column| column.name() == name);
        let at = at.ok_or_else(|| damaged(name, "it is not there"))?;
        let found = match *columns[at].type_() {
            Type::INT8 => get(self, at)?.map(Found::Integer),
            Type::INT4 => get::<i32>(self, at)?.map(|number| Found::Integer(number.into())),
            Type::TEXT | Type::NAME => get(self, at)?.map(Found::Text),
            Type::BYTEA => get(self, at)?.map(Found::Blob),
            ref other => return Err(damaged(name, format!("it is of type {other}"))),
        };
        Ok(found.unwrap_or(Found::Null))
    }
}

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Integer(number) => number.to_sql(ty, out),
            Self::Text(text) => text.as_deref().to_sql(ty, out),
            Self::Blob(bytes) => bytes.as_deref().to_sql(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        // A statement is prepared with the types of its values.
        true
    }

    to_sql_checked!();
}

const fn kind(value: &Value<'_>) -> Type {
    match value {
        Value::Integer(_) => Type::INT8,
        Value::Text(_) => Type::TEXT,
        Value::Blob(_) => Type::BYTEA,
    }
}

fn parameters<'v>(values: &'v [Value<'_>]) -> Vec<&'v (dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

/// `?1` is `$1` here. No text in a statement has a question mark.
fn numbered(sql: &str) -> String {
    sql.replace('?', "$")
}

fn lost(reason: &dyn ToString) -> Fault {
    Fault::Unreachable { reason: reason.to_string() }
}

/// What the server said, without the details in which it repeats the values of a row: an Activation Code may be among them.
pub(super) fn fault(error: &tokio_postgres::Error) -> Fault {
    let Some(said) = error.as_db_error() else {
        return lost(&causes(error));
    };
    let (code, message) = (said.code().code().to_owned(), said.message().to_owned());
    // Class 08: the connection; 57P01 to 57P03: the server ends, has crashed, or begins; 25P03: it has closed an idle connection.
    if code.starts_with("08") || matches!(&*code, "57P01" | "57P02" | "57P03" | "25P03") {
        return Fault::Unreachable { reason: message };
    }
    Fault::Postgres { code, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbered_as_the_server_numbers_them() {
        assert_eq!(numbered("a = ?1 AND b = ?12"), "a = $1 AND b = $12");
    }
}
