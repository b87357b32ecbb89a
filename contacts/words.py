"""The words of a stop, a start and a call for help, language by language. contacts/keywords.py says how they are read.

Written as people know them; matching folds case, accents and signs away on both sides. Lists are ours to extend: a word
added here is covered by the tests that go through these tables.
"""

# A whole message of these is a withdrawal, whatever was said before.
STOP = {
    "en": "stop, stopall, stop all, unsubscribe, unsub, quit, revoke, optout, opt out, opt me out, remove me, "
    "take me off, no more messages, no more, leave me alone, do not message me, don't message me, do not text me, "
    "don't text me, do not write to me, don't write to me, do not contact me, don't contact me, "
    "I don't want messages, I don't want any more messages, no promotions, no more promotions, no ads, no more ads, "
    "no offers, no more offers, no marketing, I don't want promotions, I don't want offers, not interested in offers",
    "it": "stop, basta, cancellami, cancellati, cancellatemi, cancellarmi, disiscrivermi, disiscrivimi, disiscrivi, "
    "disiscrivetemi, disiscrizione, rimuovimi, rimuovetemi, toglimi, toglietemi, smettila, smettetela, "
    "cancella iscrizione, annulla iscrizione, cancella l'iscrizione, annulla l'iscrizione, non voglio più messaggi, "
    "non voglio più ricevere messaggi, non voglio più riceverne, non voglio messaggi, non scrivetemi più, "
    "non scrivetemi, non mi scrivete più, non contattatemi più, non mandatemi più messaggi, "
    "non inviatemi più messaggi, niente più messaggi, lasciatemi in pace, fermatevi, non voglio promozioni, "
    "non voglio più promozioni, non voglio offerte, non voglio più offerte, non voglio pubblicità, "
    "non voglio più pubblicità, non voglio più ricevere promozioni, niente promozioni, niente più promozioni, "
    "niente offerte, niente pubblicità, niente più pubblicità",
    "es": "stop, parar, baja, darme de baja, dar de baja, dame de baja, denme de baja, detener, basta, no más, "
    "no más mensajes, no quiero más mensajes, no quiero mensajes, desuscribir, desuscribirme, cancelar suscripción, "
    "cancelar la suscripción, no me escriban, no me escriban más, dejen de escribirme, no quiero promociones, "
    "no quiero más promociones, no quiero publicidad, no más promociones, no más publicidad",
    "pt": "stop, parar, pare, descadastrar, me descadastre, desinscrever, não quero mais, não quero mais mensagens, "
    "não quero receber mensagens, me remova, cancelar inscrição, não quero promoções, não quero mais promoções, "
    "não quero propaganda",
    "fr": "stop, arrêt, arrêter, arrêtez, désabonner, me désabonner, désabonnez-moi, désabonnement, désinscrire, "
    "me désinscrire, désinscrivez-moi, désinscription, plus de messages, je ne veux plus de messages, "
    "ne plus recevoir de messages, pas de promotions, plus de promotions, plus de publicité, plus d'offres, "
    "je ne veux pas de promotions, je ne veux plus de promotions",
    "de": "stop, stopp, abmelden, abbestellen, austragen, aufhören, aufhoeren, hör auf, hört auf, hören Sie auf, "
    "melde mich ab, melden Sie mich ab, keine Nachrichten mehr, keine Werbung, keine Werbung mehr, "
    "keine Angebote, keine Angebote mehr",
    "ar": "توقف, توقفوا, إيقاف, أوقف, أوقفوا, إلغاء الاشتراك, ألغ الاشتراك, الغي الاشتراك, كفى, لا أريد رسائل",
    "hi": "रोकें, रोको, बंद करो, बंद करें, बंद कर दो, सदस्यता रद्द करें, मत भेजो, band karo, band kar do, roko, mat bhejo",
    "id": "stop, berhenti, berhenti berlangganan, hentikan, unreg, jangan kirim lagi",
    "tr": "stop, durdur, ret, abonelikten çık, üyelikten çık, mesaj istemiyorum, mesaj atmayın",
    "nl": "stop, stoppen, afmelden, uitschrijven, schrijf me uit, meld me af, geen berichten meer",
    "pl": "stop, stój, wypisz, wypisz mnie, mnie wypisać, wypisać, wypiszcie mnie, nie chcę wiadomości, "
    "nie chcę więcej wiadomości",
    "ru": "стоп, отписаться, отпишите, отпишите меня, отписка, хватит, не писать, не пишите, не пишите мне, "
    "больше не пишите",
}

# Words of a stop that people also use about appointments and orders: a stop only in answer to marketing.
COLLIDING = {
    "en": "cancel, end, remove, td, cancel subscription",
    "it": "annulla, cancella, fine",
    "es": "para, cancelar, alto, eliminar, fin",
    "pt": "sair, cancelar, remover, chega, fim",
    "fr": "annuler, fin, supprimer, retirer",
    "de": "kündigen, kuendigen, beenden, löschen, loeschen, Ende",
    "ar": "إلغاء, لا أريد",
    "hi": "बंद, रद्द, band",
    "id": "batal, batalkan, keluar",
    "tr": "dur, iptal, red, çık, bitir, istemiyorum",
    "nl": "opzeggen, annuleren, einde",
    "pl": "anuluj, rezygnuję, koniec, usuń, zakończ",
    "ru": "отмена, отменить, удалить, конец",
}

# No yes, go on, back or accept in any language: an answer to some other question must never subscribe anybody.
START = {
    "en": "start, unstop, subscribe, resubscribe, opt in, optin",
    "it": "start, inizia, iscrivimi, riattiva, attiva",
    "es": "start, alta, iniciar, empezar, suscribir, suscribirme, reanudar",
    "pt": "start, iniciar, começar, ativar, inscrever",
    "fr": "start, démarrer, reprendre, réabonner, abonner, inscrire",
    "de": "start, anmelden, abonnieren",
    "ar": "ابدأ, اشتراك, تفعيل",
    "hi": "शुरू, चालू, shuru, chalu",
    "id": "start, mulai, daftar",
    "tr": "start, başla, başlat",
    "nl": "start, aanmelden, inschrijven, hervatten",
    "pl": "start, zapisz, wznów",
    "ru": "старт, начать, подписаться, возобновить",
}

HELP = {
    "en": "help, info",
    "it": "aiuto, info, assistenza",
    "es": "ayuda, info",
    "pt": "ajuda, info",
    "fr": "aide, info",
    "de": "Hilfe, info",
    "ar": "مساعدة, معلومات",
    "hi": "मदद, सहायता, जानकारी, madad",
    "id": "bantuan, info",
    "tr": "yardım, bilgi",
    "nl": "hulp, help, info",
    "pl": "pomoc, info",
    "ru": "помощь, инфо, справка",
}

# Manners around a word, which change nothing about it.
POLITE = {
    "": "ok, okay, hey",
    "en": "please, pls, plz, kindly, just, now, right now, immediately, asap, thanks, thank you, many thanks, "
    "thanks a lot, thx, ty, hi, hello, sorry, good morning, good evening, dear, sir, madam, I want to, I wanna, "
    "I would like to, I'd like to, can you, could you, would you, will you, you must",
    "it": "grazie, grazie mille, mille grazie, per favore, per piacere, per cortesia, cortesemente, gentilmente, "
    "vi prego, ti prego, prego, ciao, salve, buongiorno, buonasera, buona giornata, scusi, scusate, adesso, ora, "
    "subito, vorrei, desidero",
    "es": "gracias, muchas gracias, por favor, porfa, hola, buenas, buenos días, buenas tardes, ya, ahora, quiero, "
    "quisiera, deseo",
    "pt": "obrigado, obrigada, muito obrigado, por favor, olá, oi, bom dia, boa tarde, já, agora, quero, gostaria de",
    "fr": "merci, merci beaucoup, s'il vous plaît, s'il te plaît, svp, stp, bonjour, bonsoir, salut, maintenant, "
    "veuillez, je veux, je souhaite, je voudrais",
    "de": "bitte, danke, danke schön, vielen Dank, hallo, guten Tag, guten Morgen, jetzt, sofort, ich möchte, "
    "ich möchte mich, ich will, ich will mich, mich",
    "ar": "من فضلك, لو سمحت, رجاء, شكرا, شكرا لك, مرحبا, السلام عليكم, الآن",
    "hi": "कृपया, प्लीज, धन्यवाद, नमस्ते, अभी, kripya, dhanyavad, namaste, abhi, bhai",
    "id": "tolong, mohon, terima kasih, makasih, halo, sekarang, dong",
    "tr": "lütfen, teşekkürler, teşekkür ederim, merhaba, selam, artık, hemen, şimdi, sağol",
    "nl": "alsjeblieft, alstublieft, aub, bedankt, dank je, dank je wel, dank u, hallo, nu, graag, ik wil, ik wil me",
    "pl": "proszę, dziękuję, dzięki, dzień dobry, cześć, teraz, natychmiast, chcę",
    "ru": "пожалуйста, спасибо, здравствуйте, привет, добрый день, сейчас, уже, меня",
}

# What may follow a sure stop word: the thing to be stopped …
THINGS = {
    "en": "all, it, this, that, everything, messages, message, messaging, msg, msgs, texts, texting, contacting, "
    "writing, spam, spamming, promo, promos, promotion, promotions, marketing, ads, adverts, advertising, offers, "
    "newsletter, newsletters, notifications, whatsapp, whatsapps, sms, list",
    "it": "messaggi, messaggio, messaggini, pubblicità, promo, promozioni, offerte, spam, mandarmi, inviarmi, "
    "scrivermi, contattarmi, lista, iscrizione, notifiche",
    "es": "mensajes, mensaje, publicidad, promociones, promos, ofertas, spam, enviarme, mandarme, escribirme, "
    "notificaciones, lista, suscripción",
    "pt": "mensagens, mensagem, propaganda, propagandas, promoções, ofertas, spam, notificações",
    "fr": "messages, message, pub, pubs, publicité, publicités, promos, promotions, offres, spam, écrire, contacter",
    "de": "Nachrichten, Werbung, Newsletter, Angebote, spam, schreiben",
    "ar": "رسائل, الرسائل, إعلانات, الإعلانات",
    "hi": "मैसेज, संदेश",
    "id": "pesan, promo, iklan, berlangganan",
    "tr": "mesaj, mesajlar, mesajları, reklam, reklamları",
    "nl": "berichten, reclame, aanbiedingen, nieuwsbrief, appen",
    "pl": "wiadomości, wiadomościami, reklam, reklamy, smsy",
    "ru": "сообщения, рассылка, рассылку, рассылки, реклама, рекламу, спам, писать",
}

# … and the small words that hold it to the verb; they need a thing after or before them.
LINKS = {
    "en": "me, my, to, from, with, the, these, those, any, more, further, future, your, you, sending, send, "
    "receiving, promotional, of",
    "it": "di, con, a, da, dalla, dalle, i, gli, le, la, questi, queste, questa, vostri, vostre, mandare, inviare, "
    "scrivere, ricevere, promozionali, tutti, tutte, più",
    "es": "de, con, los, las, la, el, estos, estas, esta, sus, su, me, más, enviar, mandar, recibir, todos, todas",
    "pt": "de, com, as, os, essas, estas, suas, me, mais, enviar, mandar, receber, todas",
    "fr": "de, d', des, les, vos, ces, cette, la, me, m', moi, tous, toutes, avec, envoyer, recevoir",
    "de": "mit, der, die, den, dem, mir, von, zu, mehr, alle, diese, Ihre, eure, senden, schicken",
    "ar": "إرسال, لي, هذه, من, كل",
    "hi": "ये, मुझे, yeh, mujhe",
    "id": "kirim, mengirim, semua, saya, ke, lagi, ini",
    "tr": "bana, bu",
    "nl": "met, de, deze, het, meer, mij, me, van, sturen, alle",
    "pl": "z, tych, mi, mnie, od, więcej, tymi",
    "ru": "мне, эти, эту, все, от, с, вашу",
}

# Hindi and Turkish put the thing first: "message band karo".
THINGS_FIRST = (
    "message, messages, msg, मैसेज, संदेश, ये, मुझे, भेजना, yeh, mujhe, bhejna, mesaj, mesajı, mesajları, reklam, "
    "reklamları, bu, bana"
)

# Stop words that begin other sentences: "arrêt de bus", "baja California", "quit smoking", "fine del mese".
NO_VERBS = (
    "baja, no más, arrêt, quit, ret, no more, revoke, não quero mais, توقف, хватит, stój, end, td, fine, para, alto, "
    "fin, fim, chega, Ende, band, dur, red, einde, koniec, конец"
)

# Who stops these stops marketing, and keeps the news about their orders.
PROMOTIONS = (
    "promo, promos, promotion, promotions, promotional, marketing, ads, adverts, advertising, offer, offers, "
    "newsletter, newsletters, promozioni, promozionali, offerte, pubblicità, promociones, publicidad, ofertas, "
    "promoções, propaganda, propagandas, pub, pubs, publicité, publicités, offres, Werbung, Angebote, iklan, reklam, "
    "reklamları, reklamy, reclame, aanbiedingen, nieuwsbrief"
)
# … unless they say that they mean everything.
EVERYTHING = (
    "all, everything, stopall, tutto, tutti, tutte, todo, todos, todas, tudo, tout, tous, toutes, alles, alle, semua"
)

# The words nobody uses for anything else; they count beside other sentences too.
UNMISTAKABLE = "stop, stopall, stop all, stopp, unsubscribe, unsub, optout, opt out, стоп"

BUTS = "but, ma, però, pero, mais, aber, maar, ama, ale, но, لكن, ولكن, tapi, lekin, लेकिन"

QUESTIONS = (
    "where, when, what, why, how, who, which, dove, dov, quando, cosa, perché, come, chi, quanto, dónde, cuándo, "
    "qué, cómo, onde, où, quand, pourquoi, comment, wo, wann, warum, wie, waar, wanneer, waarom, hoe, gdzie, kiedy, "
    "dlaczego, где, когда, почему, как, أين, متى, لماذا, nerede, neden, nasıl, kapan, dimana, bagaimana, kahan, "
    "कहाँ, कब"
)
