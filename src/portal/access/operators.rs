//! Adding operators and changing them: each a change with its audit entry in one transaction.

use super::{
    super::{Act, Portal, PortalError, clock::whole_second, store::SessionKind},
    AccessError, Operator, Password, Right, Role,
};
use jiff::Timestamp;
use serde_json::{Value, json};

impl Portal {
    /// Adds an operator.
    ///
    /// # Errors
    /// [`AccessError::Name`], [`AccessError::OperatorExists`], and what the store says.
    pub fn add_operator(
        &self,
        name: &str,
        password: &Password,
        role: Role,
    ) -> Result<Operator, PortalError> {
        self.needs(Right::Administer)?;
        Operator::check_name(name)?;
        let now = whole_second(self.now());
        let new = Operator {
            name: name.to_owned(),
            password: password.digest()?,
            role,
            created_at: now,
            changed_at: now,
            disabled_at: None,
        };
        self.act(move |act| {
            if act.change().operator(&new.name)?.is_some() {
                return Err(AccessError::OperatorExists { name: new.name }.into());
            }
            act.change().put_operator(&new)?;
            let detail = json!({ "operator": new.name, "role": role });
            act.told("operator-added", None, None, detail)?;
            Ok(new)
        })
    }

    /// All operators, by name.
    ///
    /// # Errors
    /// [`AccessError::NotAllowed`], and what the store says.
    pub fn operators(&self) -> Result<Vec<Operator>, PortalError> {
        self.needs(Right::Administer)?;
        self.store().read(|view| Ok(view.operators()?))
    }

    /// Gives an operator another role; it signs in again.
    ///
    /// # Errors
    /// [`AccessError::NoOperator`], and what the store says.
    pub fn set_operator_role(&self, name: &str, role: Role) -> Result<Operator, PortalError> {
        self.change_operator(name, "operator-role-set", move |operator, _| {
            operator.role = role;
            Ok(json!({ "role": role }))
        })
    }

    /// Gives an operator another password; it signs in again, everywhere.
    ///
    /// # Errors
    /// [`AccessError::NoOperator`], and what the store says.
    pub fn set_operator_password(
        &self,
        name: &str,
        password: &Password,
    ) -> Result<Operator, PortalError> {
        let digest = password.digest()?;
        self.change_operator(name, "operator-password-set", move |operator, _| {
            operator.password = digest;
            Ok(json!({}))
        })
    }

    /// Lets an operator sign in no more, and ends its sessions.
    ///
    /// # Errors
    /// [`AccessError::NoOperator`], [`AccessError::OperatorStanding`], and what the store says.
    pub fn disable_operator(&self, name: &str) -> Result<Operator, PortalError> {
        self.change_operator(name, "operator-disabled", |operator, now| {
            if operator.disabled_at.is_some() {
                let name = operator.name.clone();
                return Err(AccessError::OperatorStanding { name, found: "disabled" });
            }
            operator.disabled_at = Some(now);
            Ok(json!({}))
        })
    }

    /// Lets an operator sign in again.
    ///
    /// # Errors
    /// [`AccessError::NoOperator`], [`AccessError::OperatorStanding`], and what the store says.
    pub fn enable_operator(&self, name: &str) -> Result<Operator, PortalError> {
        self.change_operator(name, "operator-enabled", |operator, _| {
            if operator.disabled_at.is_none() {
                let name = operator.name.clone();
                return Err(AccessError::OperatorStanding { name, found: "enabled" });
            }
            operator.disabled_at = None;
            Ok(json!({}))
        })
    }

    fn change_operator(
        &self,
        name: &str,
        event: &'static str,
        edit: impl FnOnce(&mut Operator, Timestamp) -> Result<Value, AccessError> + Send + 'static,
    ) -> Result<Operator, PortalError> {
        self.needs(Right::Administer)?;
        let name = name.to_owned();
        self.act(move |act| {
            let found = act.change().operator(&name)?;
            let operator = found.ok_or(AccessError::NoOperator { name })?;
            changed(act, operator, event, edit)
        })
    }

    /// Gives an operator who has just shown its password again another one. It signs in again, everywhere.
    ///
    /// # Errors
    /// [`AccessError::Ended`] where it was changed since, and what the store says.
    pub(in crate::portal) fn set_own_password(
        &self,
        verified: Operator,
        password: &Password,
    ) -> Result<Operator, PortalError> {
        let digest = password.digest()?;
        self.act(move |act| {
            if act.change().operator(&verified.name)?.as_ref() != Some(&verified) {
                return Err(AccessError::Ended.into());
            }
            changed(act, verified, "operator-password-set", move |operator, _| {
                operator.password = digest;
                Ok(json!({}))
            })
        })
    }
}

/// Changes an operator, ends its sessions, and tells the audit.
fn changed(
    act: &Act<'_>,
    mut operator: Operator,
    event: &str,
    edit: impl FnOnce(&mut Operator, Timestamp) -> Result<Value, AccessError>,
) -> Result<Operator, PortalError> {
    let mut detail = edit(&mut operator, act.now())?;
    operator.changed_at = act.now();
    act.change().put_operator(&operator)?;
    act.change().end_sessions_of(SessionKind::Operator, &operator.name)?;
    detail["operator"] = json!(operator.name);
    act.told(event, None, None, detail)?;
    Ok(operator)
}
