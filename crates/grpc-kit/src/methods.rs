//! Which methods a server has.

use std::{collections::HashMap, io, sync::Arc};

use prost::Message as _;
use prost_types::FileDescriptorSet;

/// The name that stands for unknown methods.
const OTHER: &str = "_OTHER";

/// The methods of a server's services, from their descriptors. A caller chooses the path,
/// so an unknown method must become neither a span's name nor a time series.
#[derive(Clone, Debug)]
pub(crate) struct Methods(Arc<HashMap<&'static str, Service>>);

#[derive(Debug)]
struct Service {
    methods: HashMap<String, Arc<str>>,
    other: Arc<str>,
}

impl Methods {
    /// The methods of the services `names`, all of which must be in `descriptors`, an encoded
    /// `FileDescriptorSet`.
    pub(crate) fn of(names: &[&'static str], descriptors: &[u8]) -> io::Result<Self> {
        let files = FileDescriptorSet::decode(descriptors).map_err(io::Error::other)?;
        let found = names.iter().map(|name| match methods_of(&files, name) {
            Some(methods) => Ok((*name, methods)),
            None => Err(io::Error::other(format!("{name} has no descriptor"))),
        });
        Ok(Self(Arc::new(found.collect::<io::Result<_>>()?)))
    }

    /// The service and the method that `path` names. None for health checks, reflection and
    /// unknown services.
    pub(crate) fn named(&self, path: &str) -> Option<(&'static str, Arc<str>)> {
        let (name, method) = path.strip_prefix('/')?.split_once('/')?;
        let (name, service) = self.0.get_key_value(name)?;
        let method = service.methods.get(method).unwrap_or(&service.other);
        Some((name, Arc::clone(method)))
    }
}

fn methods_of(files: &FileDescriptorSet, full_name: &str) -> Option<Service> {
    let (package, name) = full_name.rsplit_once('.')?;
    let mut services = files
        .file
        .iter()
        .filter(|file| file.package() == package)
        .flat_map(|file| &file.service);
    let service = services.find(|service| service.name() == name)?;
    let methods = service.method.iter();
    Some(Service {
        methods: methods
            .map(|method| (method.name().to_owned(), method.name().into()))
            .collect(),
        other: OTHER.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVENTORY: &str = "sso.inventory.v1.Inventory";

    #[test]
    fn only_our_own_methods_are_called_by_their_names() {
        let methods = Methods::of(&[INVENTORY], sso_proto::DESCRIPTORS).unwrap();
        let named = |path: &str| {
            let (service, method) = methods.named(path)?;
            assert_eq!(service, INVENTORY);
            Some(method.to_string())
        };
        for method in ["List", "Reserve"] {
            let path = format!("/{INVENTORY}/{method}");
            assert_eq!(named(&path).as_deref(), Some(method));
        }
        for method in ["Steal", "", "list", "List/"] {
            let path = format!("/{INVENTORY}/{method}");
            assert_eq!(named(&path).as_deref(), Some(OTHER), "{path}");
        }
        for path in [
            "",
            "/",
            "x",
            "/grpc.health.v1.Health/Check",
            "/sso.idp.v1.TokenExchange/Exchange",
        ] {
            assert_eq!(named(path), None, "{path}");
        }
    }

    #[test]
    fn a_service_without_a_descriptor_is_found_at_the_start() {
        assert!(Methods::of(&["sso.Nothing"], sso_proto::DESCRIPTORS).is_err());
        assert!(Methods::of(&[INVENTORY], b"no descriptors").is_err());
    }
}
