"""What prompts say in French, German, Spanish, Chinese and Japanese: see vocabulary for the form of the data."""

from __future__ import annotations

from .vocabulary import ENGLISH, Language

FRENCH = Language(
    subjects={
        "snowman": "bonhomme_de_neige bonshommes_de_neige", "robot": "robot androïde",
        "duck": "canard caneton oiseau poussin oie", "panda": "panda ours ourson nounours",
        "cat": "chat chaton chatte minou", "penguin": "pingouin manchot", "rocket": "fusée navette vaisseau",
        "flower": "fleur marguerite tournesol plante rose tulipe", "turtle": "tortue", "teapot": "théière bouilloire",
        "frog": "grenouille crapaud",
    },
    motions={
        "jump": "saut- bondit bondissent bondir bondissant bondissait",
        "bounce": "sautill- gambad- rebondit rebondissent rebondir rebondissant",
        "sway": "balanc- ondul- pench- oscill- ondoy- ondoie berc-",
        "spin": "tourn- pivot- tournoie tournoient tournoy- virevolt- roul-",
        "wave": "salu- agit-",
        "squash": "gonfl- respir- étir- écras- grandit grandissent grandir palpit-",
        "walk": "march- court courent courir courant courait galop- trott- promèn- promen- avanc- ramp- dandin- rôd- "
        "défil- grimp- cour- boit-",
        "fly": "vol- envol- décoll- plan- flott- nag- voltig- volet- bat battent battant",
        "dance": "dans- vals- jou- fêt-",
        "nod": "hoch- acquiesc- mang- chant- parl- boit boivent boire buvant opin- inclin- regard- picor-",
        "twist": "tortill- tord tordent tordre tordant secou- trembl- frissonn- frétill-",
        "rock": "tangu- vacill- chancel- bascul- titub- bringuebal-",
        "wag": "remu- agite_la_queue agitant_la_queue",
    },
    hints={"sway": "vent brise"},
    other_verbs="rugit rugissent rugir rugissant aboi- miaul- ronronn- grogn- dort dorment dormir dormant assis "
        "assied "
    "lit lire écri- souri- rit rire pleur- brûl- brill- fond cri- tomb- conduit conduire jappe hurl- ronfl-",
    negations="ne n non sans jamais au_lieu_de plutôt_que", reversers="arrêt- cess-", breaks="mais , puis donc",
    subordinators="qui que quand lorsque si pendant tandis comme où",
    articles="le la les l un une des du au aux mon ma son sa ses mes ce cet cette deux trois quatre leur leurs",
    prepositions="de d en dans sur sous avec par pour chez vers à", be="est sont était étaient", adjectives="petit "
    "petite grand grande joli jolie gros grosse vieux", adverbs="pas ne n se s y lentement vite bien toujours plus",
    auxiliaries="va vont peut veut doit fait de d", finite=" e es ent ait aient a èrent ons ez é ée és ées",
    infinitive="er", participle="ant", plurals="s x",
)

GERMAN = Language(
    subjects={
        "snowman": "schneemann schneemänner", "robot": "roboter androide", "duck": "ente vogel vögel küken gans "
        "gänse",
        "panda": "panda pandabär bär teddy teddybär", "cat": "katze kätzchen kater", "penguin": "pinguin",
        "rocket": "rakete raumschiff raumfähre", "flower": "blume sonnenblume gänseblümchen pflanze blüte rose tulpe",
        "turtle": "schildkröte", "teapot": "teekanne kanne kessel", "frog": "frosch frösche kröte",
    },
    motions={
        "jump": "spring- sprang sprangen gesprungen",
        "bounce": "hüpf- prall- hoppel- hopp- federt",
        "sway": "wieg- schwing- schwank- neig- bieg- beug- weht wehen wehend pendel-",
        "spin": "dreh- rotier- kreis- kreisel- wirbel- roll-",
        "wave": "wink- grüß- salutier-",
        "squash": "atm- atmet atmen dehn- streck- pulsier- wächst wachsen pump- quetsch- bläht",
        "walk": "lauf- läuft lief liefen geh- geht ging gingen renn- rannt- marschier- galoppier- trab- trott- "
        "watschel- "
        "spazier- schreit- wander- krabbel- kriech- stapf- schleich- kletter- hink- jogg- stolzier-",
        "fly": "flieg- flog flogen geflogen flatter- schweb- start- segel- gleit- schwimm- schwamm steigt hebt",
        "dance": "tanz- spiel- feier- walz-",
        "nod": "nick- verbeug- iss- isst fress- frisst sing- sang trink- sprich- spricht sprechen schau- pick-",
        "twist": "schüttel- zapp- zappel- zitter- winde- windet wind- ring- schlängel- verdreh- bebt",
        "rock": "schaukel- wackel- kipp- wank- taumel- torkel- wipp- schunkel-",
        "wag": "wedel-",
    },
    hints={"sway": "wind brise"},
    other_verbs="bell- brüll- miau- schnurr- knurr- heul- schläf- schlaf- sitz- steh- lieg- les- liest "
        "schreib- "
    "lach- wein- lächel- brenn- leucht- schmilz- fäll- fall- fahr- fährt reit- koch- schnarch- schrei- glüh-",
    negations="nicht nie niemals kein keine keiner ohne statt anstatt", breaks="sondern aber , dann stattdessen",
    subordinators="während wenn als weil bevor nachdem bis", adjectives="kleiner kleine kleines kleinen großer große "
    "großes alter alte altes roter rote rotes lustiger lustige", articles="der die das den dem des ein eine einen "
        "einem "
    "einer mein meine sein seine ihr ihre zwei drei vier im am zum beim zur",
    prepositions="in auf mit von über unter durch an bei für um aus", be="ist sind war waren wird",
    adverbs="sich langsam schnell immer gerade nicht nie niemals leise sanft",
    auxiliaries="zu kann können will wollen soll muss darf lässt möchte", finite="t te ten et en n e ete eten st",
    participle="end ende ender endes enden endem", noun_endings="e en n", plurals="e en n er s",
)

SPANISH = Language(
    subjects={
        "snowman": "muñeco_de_nieve muñecos_de_nieve", "robot": "robot androide", "duck": "pato patito pájaro ave "
        "ganso "
        "pollito", "panda": "panda oso osito", "cat": "gato gatito gata gatita", "penguin": "pingüino",
        "rocket": "cohete nave transbordador", "flower": "flor margarita girasol planta rosa tulipán",
        "turtle": "tortuga", "teapot": "tetera", "frog": "rana sapo",
    },
    motions={
        "jump": "salt- brinc-", "bounce": "rebot- saltitos brinquitos bot-",
        "sway": "mec- balance- ondul- ondea ondean inclin- oscil-", "spin": "gir- rot- rod- rued- voltere- revolote-",
        "wave": "salud- agit-", "squash": "infl- respir- estir- aplast- palpit- crec- encog- desinfl-",
        "walk": "camin- corr- and- march- galop- trot- pase- avanz- desfil- gate- trep- coje- anadea anadean "
        "troteando",
        "fly": "vuel- vol- despeg- flot- plane- nad- alete- elev-", "dance": "bail- danz- jueg- jug- festej-",
        "nod": "asient- asint- asent- cabece- com- cant- habl- beb- mir- picote-",
        "twist": "retuerc- retorc- tuerc- sacud- tiembl- tembl- menea menean contone-",
        "rock": "tambale- bambole- cabalg- volc- vuelc-",
        "wag": "cole- mueve_la_cola mueven_la_cola moviendo_la_cola mover_la_cola mueve_su_cola moviendo_su_cola "
        "menea_la_cola menean_la_cola meneando_la_cola menear_la_cola menea_su_cola meneando_su_cola",
    },
    hints={"sway": "viento brisa"},
    other_verbs="rug- ruge ladr- maúll- ronrone- gruñ- duerm- dorm- sient- lee leen escrib- sonr- sonríe ríe llor- "
    "ard- brill- derrit- grit- ca- cae conduc- mueve mueven aúll- ronc- coc- mont-",
    negations="no nunca jamás sin tampoco ni en_vez_de en_lugar_de", reversers="dej- par-",
    breaks="sino pero , luego entonces", subordinators="que cuando mientras si porque donde como",
    articles="el la los las un una unos unas mi su sus este esta dos tres cuatro del al", adjectives="pequeño "
        "pequeña "
    "gran grande viejo", prepositions="de en con por para sobre bajo desde hacia a", be="está están estaba estaban "
    "sigue siguen", adverbs="se no nunca despacio lentamente siempre rápido que",
    auxiliaries="puede quiere debe va van a hace de", finite="a an o aba aban ó aron e en ía ían ió ieron ado ido",
    infinitive="ar er ir", participle="ando iendo yendo", plurals="s es",
)

CHINESE = Language(
    subjects={
        "snowman": "雪人", "robot": "机器人 機器人 机械人", "duck": "鸭子 鸭 鴨子 鴨 鸟 鳥 小鸡 鹅 "
        "鵝", "panda": "熊猫 熊貓 熊",
        "cat": "猫咪 猫 貓咪 貓", "penguin": "企鹅 企鵝", "rocket": "火箭 飞船 飛船 航天飞机", "flower": "向日葵 "
        "花朵 花 植物",
        "turtle": "乌龟 烏龜 海龟 海龜 龟 龜", "teapot": "茶壶 茶壺 水壶", "frog": "青蛙 蛙 蟾蜍",
    },
    motions={
        "jump": "跳跃 跳躍 跳起 跃起 跳 跃", "bounce": "蹦蹦跳跳 弹跳 彈跳 蹦跳 弹起 彈起 蹦 弹",
        "sway": "摇摆 搖擺 摇曳 搖曳 随风 飘动 弯腰 摆动 擺動", "spin": "旋转 旋轉 转圈 轉圈 转动 轉動 打转 自转 "
        "翻滚 滚 转 轉",
        "wave": "挥手 揮手 招手 挥舞 揮舞 打招呼 敬礼 敬禮 挥动 挥着", "squash": "膨胀 膨脹 压扁 壓扁 伸展 呼吸 "
        "伸缩 挤压 拉伸 收缩 长大",
        "walk": "走路 行走 走动 散步 漫步 行进 行進 前进 前進 奔跑 跑步 奔驰 奔馳 飞奔 飛奔 小跑 慢跑 爬行 踏步 "
        "走 跑 爬",
        "fly": "起飞 起飛 飞翔 飛翔 飞行 飛行 飞舞 飘浮 漂浮 悬浮 升空 发射 游泳 游 飞 飛", "dance": "跳舞 舞蹈 "
        "起舞 舞动 街舞 玩耍 庆祝",
        "nod": "点头 點頭 鞠躬 吃 唱歌 唱 喝 说话 說話 啄", "twist": "扭动 扭動 扭转 扭 发抖 颤抖 抖动 "
        "抖", "rock": "摇晃 搖晃 晃动 晃動 摇动 "
        "搖動 摇来摇去 蹒跚 晃 摇 搖",
        "wag": "摇尾巴 搖尾巴 摇着尾巴 搖著尾巴 摇动尾巴 搖動尾巴 摆动尾巴 擺動尾巴 甩尾巴 甩动尾巴 "
        "摇尾 搖尾 摆尾 擺尾",
    },
    hints={"sway": "风中 風中 微风"},
    other_verbs="吼 咆哮 叫 睡 坐 站 骑 騎 看书 写 笑 哭 燃烧 燃燒 发光 發光 融化 打架 打 躺 呼噜 "
        "开车 思考",
    negations="没有 沒有 不会 不會 不再 从不 從不 不能 不是 不要 不想 不在 拒绝 停止 不 没 沒 别 別 "
        "未", breaks="而是 但 却 而 ， 。 、 ； , ; .",
    articles="", subordinators="的",
    compounds="飞机 飛機 飞行员 飞快 走廊 摇滚 搖滾 跑车 跑道 旋转木马 跳蚤 跳绳 舞台 舞者 猫头鹰 貓頭鷹 花生 "
        "烟花 花瓶 不停 不断 不斷 "
    "忍不住 不禁 不由 弹簧 摇椅 搖椅 滚筒 转椅 游戏 小吃 叫做 特别 特別 弹珠 摇篮 子弹 导弹 转角 跑步机 爬山虎",
)

JAPANESE = Language(
    subjects={
        "snowman": "雪だるま", "robot": "ロボット ろぼっと アンドロイド", "duck": "アヒル あひる 鴨 カモ 鳥 "
        "ひよこ 小鳥",
        "panda": "パンダ ぱんだ 熊 クマ くま", "cat": "子猫 猫 ネコ ねこ", "penguin": "ペンギン "
        "ぺんぎん", "rocket": "ロケット 宇宙船",
        "flower": "ひまわり 花 植物", "turtle": "亀 カメ かめ", "teapot": "ティーポット 急須 "
        "やかん", "frog": "カエル かえる 蛙",
    },
    motions={
        "jump": "飛び跳ね 跳び上が 飛び上が 跳び 跳ぶ 跳ば 跳べ 跳ん ジャンプ", "bounce": "弾む 弾ま 弾み 弾ん "
        "はずむ 跳ね はね ぴょんぴょん バウンド ホップ",
        "sway": "揺れ ゆれ 揺ら なびく なびい", "spin": "回転 回る 回っ 回ら 回り まわる まわっ スピン くるくる "
        "転が 転げ",
        "wave": "手を振る 手を振っ 手を振ら 手を振り 手をふ 挨拶 敬礼", "squash": "膨らむ 膨らん 膨らま 膨らみ "
        "ふくらむ ふくらん 伸び縮み 縮む 呼吸 つぶれ 伸び",
        "walk": "歩く 歩い 歩か 歩き あるく あるい あるか あるき 走る 走っ 走ら 走り はしる はしっ 駆け 行進 散歩 "
        "スキップ ギャロップ 這う 這っ",
        "fly": "飛び立 飛ぶ 飛ん 飛ば 飛び 飛べ 羽ばた はばた 浮か 浮く 舞う 泳ぐ 泳い 泳が 発射 "
        "打ち上が", "dance": "踊 おどる おどっ おどり おどら ダンス 遊ぶ 遊ん",
        "nod": "うなずく うなずい うなずか うなずき 頷 お辞儀 おじぎ 食べ 歌う 歌っ 歌わ 飲む 飲ん 話す "
        "話し", "twist": "くねくね ねじ 捻 身をよじ 震え ふるえ 振る 振っ",
        "rock": "ぐらぐら よろよろ ゆらゆら よろめ 傾く 傾い 傾き",
        "wag": "尻尾を振 しっぽを振 尾を振 尻尾をふ しっぽをふ",
    },
    hints={"sway": "風に"},
    other_verbs="吠え ほえ 鳴く 鳴い 眠 寝る 寝て 座 立つ 立っ 笑 泣く 泣い 乗る 乗っ 読む 読ん 書く 書い 燃え "
        "光る 光っ 溶け 叫",
    negations="ない なかった ません ずに ず ぬ", subordinators="ながら", breaks="、 。",
    compounds="飛行機 飛行船 回転木馬 歩道 舞台 走者 花火 回る椅子 お花見 揺り籠",
)

SPACED = {"English": ENGLISH, "French": FRENCH, "German": GERMAN, "Spanish": SPANISH}
UNSPACED = {"Chinese": CHINESE, "Japanese": JAPANESE}
