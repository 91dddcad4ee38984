//! Reads the dependency descriptors of one encoding. They refer to the newest template structure, which a keyframe brings;
//! memory for structures is taken once, with the first descriptor.

use crate::packet::PacketMeta;
use wire::dependency_descriptor::{DecodeTargets, DependencyDescriptor, TemplateStructure, parse};

#[derive(Default)]
pub(crate) struct DependencyReader {
    /// `None` until there is a descriptor: most encodings have none.
    structures: Option<Box<Structures>>,
    /// The packet that carried the newest structure.
    newest_from: Option<u64>,
    /// The newest packet that said which decode targets are active.
    targets_from: u64,
}

#[derive(Default)]
struct Structures {
    newest: TemplateStructure,
    /// Of the packet being read, if it carries one.
    carried: TemplateStructure,
}

impl DependencyReader {
    /// Forget the structure, as the sender did.
    pub(crate) fn reset(&mut self) {
        self.newest_from = None;
        self.targets_from = 0;
    }

    /// Read a packet's descriptor, if it has one, into what is known of it: it knows better than the payload header. A damaged
    /// one is a hint lost, no more.
    pub(crate) fn read(
        &mut self,
        bytes: &[u8],
        meta: &mut PacketMeta,
    ) -> Option<DependencyDescriptor> {
        if bytes.is_empty() {
            return None;
        }
        let Structures { newest, carried } = &mut **self.structures.get_or_insert_default();
        let known = self.newest_from.map(|_| &*newest);
        let descriptor = parse(bytes, known, carried).ok()?;
        let structure = if descriptor.carries_structure {
            carried
        } else {
            known?
        };
        let info = &mut meta.info;
        info.starts_frame = descriptor.starts_frame;
        info.ends_frame = descriptor.ends_frame;
        info.temporal_layer = descriptor.temporal_layer;
        info.spatial_layer = descriptor.spatial_layer;
        info.is_switch_point = is_switch_point(&descriptor, structure);
        info.starts_keyframe = descriptor.starts_frame && descriptor.carries_structure;
        let largest = structure.resolutions.last();
        if let Some(&size) = largest.filter(|_| descriptor.carries_structure) {
            info.resolution = Some(size);
        }
        meta.targets_field = descriptor.targets_field;
        Some(descriptor)
    }

    /// Sizes of the spatial layers, lowest first, that the packet just read tells; empty if it tells none.
    pub(crate) fn told_sizes(&self, descriptor: &DependencyDescriptor) -> &[(u16, u16)] {
        self.structures
            .as_ref()
            .filter(|_| descriptor.carries_structure)
            .map_or(&[], |structures| &structures.carried.resolutions)
    }

    /// Keep what the packet just read says for those after it. A late one must not bring an old structure back, nor old
    /// targets.
    pub(crate) fn keep(
        &mut self,
        number: u64,
        descriptor: &DependencyDescriptor,
        decode_targets: &mut Option<DecodeTargets>,
    ) {
        let is_newer = self.newest_from.is_none_or(|newest| newest < number);
        if let Some(structures) = &mut self.structures
            && descriptor.carries_structure
            && is_newer
        {
            let Structures { newest, carried } = &mut **structures;
            std::mem::swap(newest, carried);
            *decode_targets = Some(DecodeTargets::new(newest));
            self.newest_from = Some(number);
            self.targets_from = number;
        }
        if let (Some(active), Some(targets)) = (descriptor.active_decode_targets, decode_targets)
            && number >= self.targets_from
        {
            targets.active = active;
            self.targets_from = number;
        }
    }
}

/// A frame is a switch point of its layer if a decode target that ends at this layer says "switch" (2).
fn is_switch_point(descriptor: &DependencyDescriptor, structure: &TemplateStructure) -> bool {
    let layer = (descriptor.spatial_layer, descriptor.temporal_layer);
    layer.1 == 0
        || structure
            .decode_target_layers
            .iter()
            .zip(&descriptor.decode_target_indications)
            .any(|(&target, &indication)| target == layer && indication == 2)
}
