//! What a request tells of usage.

use super::{AnswerError, Case, Context, Request, Road};
use crate::portal::{
    domain::{ReportedUsage, UsageRoad},
    store::Change,
};

/// Keeps what the request tells, if anything. It has no audit entry of its own: the request is stored, and says it word for word.
pub(super) fn keep(
    change: &Change<'_>,
    case: &Case,
    request: &Request,
    context: &Context,
) -> Result<(), AnswerError> {
    let Case { subscription, environment, .. } = case;
    let Some(told) = request.claims.usage.as_ref().filter(|_| !environment.is_released()) else {
        return Ok(());
    };
    let road = match context.road {
        Road::Online => UsageRoad::Online,
        Road::Courier => UsageRoad::Courier,
    };
    let usage = ReportedUsage::told(environment.id, told, &subscription.terms, road, context.now);
    usage.map_or(Ok(()), |usage| Ok(change.put_usage(&usage)?))
}
