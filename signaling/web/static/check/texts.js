// Texts of the device and network check, Greek and English: results, remedies, hints for the platform.

/** @import { Language } from '../texts.js' */
/** @import { Platform } from './platform.js' */
/** @import { Verdict } from './verdict.js' */

/** @type {Record<string, [el: string, en: string]>} */
export const CHECK_TEXTS = {
  'start': ['Έναρξη ελέγχου', 'Start the check'],
  'again': ['Επανάληψη ελέγχου', 'Check again'],
  'start_text': ['Ο φυλλομετρητής θα ζητήσει άδεια για κάμερα και μικρόφωνο. Επιτρέψτε τη χρήση τους και μιλήστε όταν σας ζητηθεί.', 'Your browser will ask for the camera and the microphone. Allow them, and speak when you are asked to.'],
  'running': ['Γίνεται έλεγχος…', 'Checking…'],
  'waiting': ['Αναμονή', 'Waiting'],
  'allow': ['Επιτρέψτε κάμερα και μικρόφωνο στο παράθυρο του φυλλομετρητή.', 'Allow camera and microphone in your browser’s question.'],
  'speak': ['Μιλήστε για λίγο, όπως σε μια συνεδρίαση.', 'Speak for a moment, as in a meeting.'],
  'level': ['Στάθμη μικροφώνου', 'Microphone level'],
  'preview': ['Εικόνα της κάμεράς σας', 'Picture of your camera'],
  'heard': ['Ακούσατε δύο τόνους;', 'Did you hear two tones?'],
  'yes': ['Ναι', 'Yes'],
  'no': ['Όχι', 'No'],
  'play': ['Παίξτε τους ξανά', 'Play them again'],
  'copied': ['Η αναφορά αντιγράφηκε.', 'The report was copied.'],
  'not_copied': ['Δεν αντιγράφηκε. Επιλέξτε το κείμενο και αντιγράψτε το.', 'It was not copied. Select the text and copy it.'],
  'points': ['Τι ελέγχεται', 'What is checked'],
  'result_ok': ['Είστε έτοιμοι', 'You are ready'],
  'result_ok_text': ['Συσκευές και δίκτυο λειτουργούν. Χρησιμοποιήστε την ίδια συσκευή και το ίδιο δίκτυο στην κλήση.', 'Devices and network work. Use the same device and network for the call.'],
  'result_warn': ['Μπορείτε να συμμετάσχετε, με παρατηρήσεις', 'You can take part, with remarks'],
  'result_warn_text': ['Δείτε παρακάτω τι μπορεί να βελτιωθεί.', 'See below what can be improved.'],
  'result_fail': ['Κάτι χρειάζεται διόρθωση', 'Something needs mending'],
  'result_fail_text': ['Ακολουθήστε τις οδηγίες στα κόκκινα σημεία και επαναλάβετε τον έλεγχο.', 'Follow the advice at the red points and check again.'],
  'level_ok': ['Εντάξει', 'All right'],
  'level_warn': ['Προσοχή', 'Attention'],
  'level_fail': ['Πρόβλημα', 'Problem'],
  'level_unknown': ['Δεν ελέγχθηκε', 'Not checked'],

  'point.browser': ['Φυλλομετρητής', 'Browser'],
  'point.camera': ['Κάμερα', 'Camera'],
  'point.microphone': ['Μικρόφωνο', 'Microphone'],
  'point.speaker': ['Ηχεία', 'Loudspeakers'],
  'point.server': ['Σύνδεση με την υπηρεσία', 'Connection to the service'],
  'point.path': ['Διαδρομή εικόνας και ήχου', 'Path of picture and sound'],
  'point.quality': ['Ποιότητα δικτύου', 'Quality of the network'],

  'browser.ok': ['Υποστηρίζει όλες τις κλήσεις.', 'It supports all calls.'],
  'browser.insecure': ['Η σελίδα δεν άνοιξε με ασφαλή σύνδεση.', 'The page was not opened over a secure connection.'],
  'browser.unsupported': ['Δεν υποστηρίζει κλήσεις.', 'It does not support calls.'],
  'browser.no_encryption': ['Υποστηρίζει συνεδριάσεις, όχι όμως την κρυπτογράφηση των κλήσεων με ΚΕΠ.', 'It supports meetings, but not the encryption of calls with a KEP.'],
  'camera.ok': ['Λειτουργεί.', 'It works.'],
  'camera.dark': ['Δίνει μαύρη εικόνα.', 'Its picture is black.'],
  'camera.frozen': ['Άνοιξε, αλλά δεν δίνει εικόνα.', 'It opened but gives no picture.'],
  'camera.small': ['Δίνει μικρή εικόνα: τα έγγραφα δεν θα διαβάζονται.', 'Its picture is small: documents will not be legible.'],
  'camera.slow': ['Δίνει λίγες εικόνες το δευτερόλεπτο.', 'It gives few pictures a second.'],
  'microphone.ok': ['Λειτουργεί: σας ακούμε.', 'It works: you can be heard.'],
  'microphone.silent': ['Άνοιξε, αλλά δεν φτάνει κανένας ήχος.', 'It opened but no sound arrives.'],
  'microphone.quiet': ['Ακούγεστε πολύ σιγά, ή δεν μιλήσατε.', 'You are very quiet, or did not speak.'],
  'microphone.muted': ['Είναι σε σίγαση από το σύστημα ή από διακόπτη.', 'It is muted by the system or a switch.'],
  'speaker.ok': ['Λειτουργούν.', 'They work.'],
  'speaker.not_heard': ['Δεν ακούσατε τους τόνους.', 'You did not hear the tones.'],
  'speaker.unanswered': ['Δεν απαντήσατε αν ακούσατε τους τόνους.', 'You did not answer whether you heard the tones.'],
  'server.ok': ['Η υπηρεσία απαντά.', 'The service answers.'],
  'server.unreachable': ['Η υπηρεσία δεν απαντά.', 'The service does not answer.'],
  'server.socket_blocked': ['Η σύνδεση WebSocket εμποδίζεται.', 'The WebSocket connection is blocked.'],
  'server.unavailable': ['Η υπηρεσία δεν μπορεί τώρα να δεχτεί κλήσεις.', 'The service cannot take calls now.'],
  'server.busy': ['Γίνονται πολλοί έλεγχοι αυτή τη στιγμή.', 'Many checks run at this moment.'],
  'path.ok': ['Απευθείας, με UDP.', 'Direct, by UDP.'],
  'path.relay': ['Μέσω διακομιστή αναμετάδοσης.', 'By way of a relay.'],
  'path.tcp': ['Με TCP: η εικόνα μπορεί να καθυστερεί.', 'By TCP: the picture may lag.'],
  'path.no_path': ['Το δίκτυο εμποδίζει το UDP: εικόνα και ήχος δεν περνούν.', 'The network blocks UDP: picture and sound do not pass.'],
  'path.no_handshake': ['Η διαδρομή βρέθηκε, αλλά η κρυπτογραφημένη σύνδεση δεν ολοκληρώθηκε.', 'A path was found, but the encrypted connection did not complete.'],
  'path.no_answer': ['Η υπηρεσία δεν δέχτηκε την προσφορά του φυλλομετρητή.', 'The service did not accept the browser’s offer.'],
  'path.skipped': ['Δεν ελέγχθηκε, γιατί λείπει η σύνδεση με την υπηρεσία.', 'Not checked, because the connection to the service is missing.'],
  'quality.ok': ['Αρκεί για εικόνα και ήχο.', 'Enough for picture and sound.'],
  'quality.slow': ['Αρκεί για ήχο και μικρή εικόνα.', 'Enough for sound and a small picture.'],
  'quality.slow_sound': ['Αρκεί μόνο για ήχο.', 'Enough for sound only.'],
  'quality.slow_bad': ['Πολύ αργό, ακόμη και για ήχο.', 'Too slow, even for sound.'],
  'quality.slow_device': ['Η συσκευή σας δεν προλαβαίνει την εικόνα.', 'Your device cannot keep up with the picture.'],
  'quality.lossy': ['Χάνονται μερικά πακέτα.', 'Some packets are lost.'],
  'quality.lossy_bad': ['Χάνονται πολλά πακέτα: ο ήχος θα κόβεται.', 'Many packets are lost: sound will break.'],
  'quality.late': ['Αισθητή καθυστέρηση.', 'A noticeable delay.'],
  'quality.late_bad': ['Πολύ μεγάλη καθυστέρηση.', 'A very long delay.'],
  'quality.uneven': ['Άνισος ρυθμός: ο ήχος μπορεί να κόβεται.', 'Uneven: sound may break.'],
  'quality.nothing_sent': ['Δεν στάλθηκε τίποτα.', 'Nothing was sent.'],
  'quality.nothing_received': ['Δεν επέστρεψε τίποτα.', 'Nothing came back.'],
  'quality.skipped': ['Δεν μετρήθηκε, γιατί δεν βρέθηκε διαδρομή.', 'Not measured, because no path was found.'],

  'failure.not_allowed': ['Ο φυλλομετρητής δεν επιτρέπει τη χρήση.', 'Your browser does not allow its use.'],
  'failure.not_found': ['Δεν βρέθηκε. Μπορείτε να συμμετάσχετε βλέποντας και ακούγοντας.', 'Not found. You can take part by watching and listening.'],
  'failure.in_use': ['Δεν ανοίγει· ίσως το χρησιμοποιεί άλλη εφαρμογή.', 'It does not open; another application may be using it.'],
  'failure.overconstrained': ['Δεν υποστηρίζει όσα χρειάζονται.', 'It does not support what is needed.'],
  'failure.insecure': ['Δεν είναι διαθέσιμο χωρίς ασφαλή σύνδεση.', 'Not available without a secure connection.'],
  'failure.unsupported': ['Ο φυλλομετρητής δεν το υποστηρίζει.', 'The browser does not support it.'],
  'failure.unanswered': ['Δεν απαντήσατε στην ερώτηση του φυλλομετρητή.', 'You did not answer your browser’s question.'],
  'failure.unknown': ['Δεν ανοίγει.', 'It does not open.'],

  'remedy.browser.insecure': ['Ανοίξτε τη σελίδα με διεύθυνση που αρχίζει από https://', 'Open the page with an address that begins with https://'],
  'remedy.browser.unsupported': ['Χρησιμοποιήστε πρόσφατη έκδοση των Firefox, Chrome, Edge ή Safari.', 'Use a recent version of Firefox, Chrome, Edge or Safari.'],
  'remedy.browser.no_encryption': ['Για ραντεβού με ΚΕΠ ενημερώστε τον φυλλομετρητή ή χρησιμοποιήστε Chrome, Edge, Firefox ή Safari τελευταίας έκδοσης.', 'For KEP appointments update the browser, or use the newest Chrome, Edge, Firefox or Safari.'],
  'remedy.camera.dark': ['Ανοίξτε το κλείστρο της κάμερας, βγάλτε το κάλυμμα ή ανάψτε φως.', 'Open the camera’s shutter, take its cover off, or turn a light on.'],
  'remedy.camera.frozen': ['Αποσυνδέστε και συνδέστε ξανά την κάμερα ή επανεκκινήστε τη συσκευή.', 'Unplug the camera and plug it in again, or restart the device.'],
  'remedy.camera.small': ['Επιλέξτε άλλη κάμερα, αν υπάρχει, ή χρησιμοποιήστε κινητό.', 'Choose another camera if there is one, or use a phone.'],
  'remedy.camera.slow': ['Ανάψτε περισσότερο φως και κλείστε άλλες εφαρμογές.', 'Turn more light on and close other applications.'],
  'remedy.microphone.silent': ['Δείτε τον διακόπτη σίγασης στο ακουστικό ή στο πληκτρολόγιο και επιλέξτε το σωστό μικρόφωνο.', 'Look for a mute switch on the headset or keyboard, and choose the right microphone.'],
  'remedy.microphone.muted': ['Πατήστε το πλήκτρο σίγασης του ακουστικού ή του πληκτρολογίου.', 'Press the mute key of the headset or keyboard.'],
  'remedy.microphone.quiet': ['Μιλήστε πιο κοντά στο μικρόφωνο και ανεβάστε τη στάθμη εισόδου στις ρυθμίσεις ήχου.', 'Speak closer to the microphone, and raise the input level in the sound settings.'],
  'remedy.speaker.not_heard': ['Ανεβάστε την ένταση, βγάλτε τη σίγαση και επιλέξτε τα σωστά ηχεία ή ακουστικά.', 'Turn the volume up, unmute, and choose the right loudspeakers or headphones.'],
  'remedy.speaker.unanswered': ['Πατήστε «Παίξτε τους ξανά» και απαντήστε.', 'Press “Play them again” and answer.'],
  'remedy.server.unreachable': ['Ελέγξτε τη σύνδεσή σας στο διαδίκτυο και επαναλάβετε τον έλεγχο.', 'Check your internet connection, then check again.'],
  'remedy.server.socket_blocked': ['Ζητήστε από τον διαχειριστή του δικτύου να επιτρέψει WebSocket προς αυτή τη διεύθυνση, ή δοκιμάστε άλλο δίκτυο.', 'Ask the network’s administrator to allow WebSocket to this address, or try another network.'],
  'remedy.server.unavailable': ['Δοκιμάστε ξανά σε λίγα λεπτά.', 'Try again in a few minutes.'],
  'remedy.server.busy': ['Περιμένετε ένα λεπτό και επαναλάβετε τον έλεγχο.', 'Wait a minute and check again.'],
  'remedy.path.tcp': ['Αν γίνεται, χρησιμοποιήστε δίκτυο που επιτρέπει UDP.', 'If you can, use a network that allows UDP.'],
  'remedy.path.no_path': ['Ζητήστε από τον διαχειριστή του δικτύου να επιτρέψει εξερχόμενο UDP προς τη θύρα {port} της υπηρεσίας.', 'Ask the network’s administrator to allow outgoing UDP to port {port} of the service.'],
  'remedy.path.other': ['Κλείστε το VPN, ή δοκιμάστε άλλο δίκτυο, π.χ. τα δεδομένα του κινητού σας.', 'Turn a VPN off, or try another network, such as your phone’s mobile data.'],
  'remedy.path.no_handshake': ['Κλείστε το VPN ή το πρόγραμμα που επιθεωρεί την κίνηση και επαναλάβετε τον έλεγχο.', 'Turn off the VPN or the program that inspects traffic, and check again.'],
  'remedy.path.no_answer': ['Ενημερώστε τον φυλλομετρητή και επαναλάβετε τον έλεγχο.', 'Update the browser and check again.'],
  'remedy.quality.network': ['Πλησιάστε το Wi-Fi ή συνδεθείτε με καλώδιο, και σταματήστε λήψεις και άλλα βίντεο.', 'Move closer to the Wi-Fi or use a cable, and stop downloads and other videos.'],
  'remedy.quality.sound': ['Στην κλήση μπορείτε να κλείσετε την κάμερά σας: ο ήχος έχει προτεραιότητα.', 'In the call you can turn your camera off: sound goes first.'],
  'remedy.quality.slow_device': ['Κλείστε άλλες εφαρμογές και καρτέλες, και συνδέστε τον φορτιστή.', 'Close other applications and tabs, and plug the charger in.'],

  'remedy.failure.not_found': ['Συνδέστε μία συσκευή και επαναλάβετε τον έλεγχο. Για ραντεβού με ΚΕΠ χρειάζεστε κάμερα και μικρόφωνο.', 'Connect one and check again. For KEP appointments you need a camera and a microphone.'],
  'remedy.failure.in_use': ['Κλείστε τις άλλες εφαρμογές και καρτέλες που κάνουν κλήσεις και επαναλάβετε τον έλεγχο.', 'Close other applications and tabs that make calls, and check again.'],
  'remedy.failure.unanswered': ['Επαναλάβετε τον έλεγχο και πατήστε «Να επιτρέπεται».', 'Check again and press “Allow”.'],
  'remedy.failure.other': ['Κλείστε και ανοίξτε ξανά τον φυλλομετρητή και επαναλάβετε τον έλεγχο.', 'Close the browser, open it and check again.'],

  'permission.chrome': ['Πατήστε το εικονίδιο αριστερά από τη διεύθυνση της σελίδας, επιτρέψτε κάμερα και μικρόφωνο και επαναλάβετε τον έλεγχο.', 'Press the icon to the left of the page’s address, allow camera and microphone, and check again.'],
  'permission.edge': ['Πατήστε το λουκέτο αριστερά από τη διεύθυνση της σελίδας, επιτρέψτε κάμερα και μικρόφωνο και επαναλάβετε τον έλεγχο.', 'Press the lock to the left of the page’s address, allow camera and microphone, and check again.'],
  'permission.firefox': ['Πατήστε το εικονίδιο κάμερας ή μικροφώνου δίπλα στη διεύθυνση, αφαιρέστε τον αποκλεισμό και επαναλάβετε τον έλεγχο.', 'Press the camera or microphone icon beside the address, remove the block, and check again.'],
  'permission.safari': ['Από το μενού Safari → Ρυθμίσεις για αυτόν τον ιστότοπο (σε iPhone: «αΑ» δίπλα στη διεύθυνση) επιτρέψτε κάμερα και μικρόφωνο.', 'In the menu Safari → Settings for this website (on iPhone: “aA” beside the address) allow camera and microphone.'],
  'permission.samsung': ['Πατήστε το λουκέτο δίπλα στη διεύθυνση → Δικαιώματα, επιτρέψτε κάμερα και μικρόφωνο.', 'Press the lock beside the address → Permissions, and allow camera and microphone.'],
  'permission.other': ['Επιτρέψτε κάμερα και μικρόφωνο για αυτή τη σελίδα στις ρυθμίσεις του φυλλομετρητή.', 'Allow camera and microphone for this page in the browser’s settings.'],
  'system.windows': ['Windows: Ρυθμίσεις → Απόρρητο και ασφάλεια → Κάμερα και Μικρόφωνο → επιτρέψτε τις εφαρμογές επιφάνειας εργασίας.', 'Windows: Settings → Privacy & security → Camera and Microphone → let desktop apps use them.'],
  'system.macos': ['Mac: Ρυθμίσεις συστήματος → Απόρρητο και ασφάλεια → Κάμερα και Μικρόφωνο → ενεργοποιήστε τον φυλλομετρητή.', 'Mac: System Settings → Privacy & Security → Camera and Microphone → turn the browser on.'],
  'system.ios': ['iPhone/iPad: Ρυθμίσεις → Εφαρμογές → ο φυλλομετρητής σας → επιτρέψτε Κάμερα και Μικρόφωνο.', 'iPhone/iPad: Settings → Apps → your browser → allow Camera and Microphone.'],
  'system.android': ['Android: Ρυθμίσεις → Εφαρμογές → ο φυλλομετρητής σας → Δικαιώματα → επιτρέψτε Κάμερα και Μικρόφωνο.', 'Android: Settings → Apps → your browser → Permissions → allow Camera and Microphone.'],
  'system.linux': ['Linux: δείτε στις ρυθμίσεις ήχου και απορρήτου ότι η συσκευή είναι ενεργή και δεν είναι σε σίγαση.', 'Linux: see in the sound and privacy settings that the device is on and not muted.'],
  'system.other': ['Δείτε στις ρυθμίσεις της συσκευής σας ότι ο φυλλομετρητής έχει πρόσβαση σε κάμερα και μικρόφωνο.', 'See in your device’s settings that the browser may use camera and microphone.'],

  'numbers.camera': ['{width}×{height}, {frames_per_second} εικόνες το δευτερόλεπτο', '{width}×{height}, {frames_per_second} pictures a second'],
  'numbers.path': ['Σύνδεση σε {connect_ms} ms, θύρα {port}', 'Connected in {connect_ms} ms, port {port}'],
  'numbers.server': ['Είσοδος σε {join_ms} ms', 'Joined in {join_ms} ms'],
  'numbers.quality': ['Αποστολή {up_kbps} kbit/s, λήψη {down_kbps} kbit/s, καθυστέρηση {round_trip_ms} ms, απώλειες {loss_up_percent} % / {loss_down_percent} %', 'Up {up_kbps} kbit/s, down {down_kbps} kbit/s, round trip {round_trip_ms} ms, loss {loss_up_percent} % / {loss_down_percent} %'],
};

/** @typedef {(key: string, values?: Record<string, string | number>) => string} CheckTranslate */

/** @param {Language} language @returns {CheckTranslate} */
export function checkTranslator(language) {
  const index = language === 'en' ? 1 : 0;
  return (key, values = {}) =>
    (CHECK_TEXTS[key]?.[index] ?? key).replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? '–'));
}

/** What was found. @param {Verdict} verdict @returns {string} Key of a text. */
export function resultKey({ point, code }) {
  const own = `${point}.${code}`;
  if (own in CHECK_TEXTS) return own;
  return `failure.${code}` in CHECK_TEXTS ? `failure.${code}` : 'failure.unknown';
}

const DEVICES = new Set(['camera', 'microphone']);
const PERMISSION_CODES = new Set(['not_allowed', 'unanswered']);
const SYSTEM_CODES = new Set(['not_allowed', 'in_use', 'silent', 'muted', 'unknown']);

/** What to do about it here. @param {Verdict} verdict @param {Platform} platform @returns {string[]} Keys of texts; none if all is well. */
export function remedyKeys({ point, level, code }, { browser, system }) {
  if (level === 'ok' || code === 'skipped') return [];
  if (point === 'quality') return qualityRemedies(code);
  const own = `remedy.${point}.${code}`;
  const keys = own in CHECK_TEXTS ? [own] : [];
  if (point === 'path' && code !== 'tcp') keys.push('remedy.path.other');
  if (!DEVICES.has(point)) return keys;
  if (PERMISSION_CODES.has(code)) keys.push(`permission.${browser}`);
  if (`remedy.failure.${code}` in CHECK_TEXTS) keys.push(`remedy.failure.${code}`);
  if (SYSTEM_CODES.has(code)) keys.push(`system.${system}`);
  return keys.length > 0 ? keys : ['remedy.failure.other'];
}

/** @param {string} code */
function qualityRemedies(code) {
  if (code === 'slow_device') return ['remedy.quality.slow_device'];
  return ['remedy.quality.network', 'remedy.quality.sound'];
}
