// Values of the protocol with sensible defaults.

export const ALL_GRANTS = {
  microphone: true,
  camera: true,
  screen: true,
  chat: true,
  hand: true,
  moderate: false,
  close_room: false,
};

export const track = (source, changes = {}) => ({ source, is_muted: false, is_blocked: false, ...changes });

export const participant = (id, changes = {}) => ({
  participant: id,
  display_name: id.toUpperCase(),
  role: 'member',
  tracks: [track('microphone'), track('camera')],
  hand_raised_order: null,
  is_connected: true,
  encryption: 'off',
  grants: ALL_GRANTS,
  ...changes,
});

export const joined = (changes = {}) => ({
  type: 'joined',
  id: 1,
  room: 'room',
  room_class: 'council',
  title: 'Συνεδρίαση',
  participant: 'me',
  role: 'member',
  grants: ALL_GRANTS,
  secret: 'secret-1',
  resumed: false,
  participants: [participant('me')],
  sources: [],
  audio_streams: 3,
  max_video_streams: 24,
  encryption: 'off',
  ping_interval_s: 25,
  ...changes,
});
